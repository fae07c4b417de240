/** The commands of customers over HTTP. What is so already succeeds and changes nothing. */
import * as z from "zod";
import {
  changeCustomerDetailsSchema,
  type CustomerCommand,
  registerCustomerSchema,
  reinstateCustomerSchema,
  releaseCreditSchema,
  reserveCreditSchema,
  setCreditLimitSchema,
  suspendCustomerSchema,
} from "../domain/customers/commands.ts";
import { customerIdSchema } from "../domain/kernel/schemas.ts";
import { change, commandFunction, type CommandRoutes, creation } from "./command-function.ts";
import { customerAggregate, customerRejectionStatus } from "./customer-aggregate.ts";

export const routes: CommandRoutes<CustomerCommand> = {
  "POST /customers": creation(registerCustomerSchema, (body, { newId }) => {
    const customerId = body.customerId ?? customerIdSchema.parse(newId("customer"));
    return { id: customerId, command: { type: "RegisterCustomer", ...body, customerId } };
  }),
  "POST /customers/{customerId}/change-details": change(changeCustomerDetailsSchema, (body) => ({
    type: "ChangeCustomerDetails",
    ...body,
  })),
  "POST /customers/{customerId}/set-credit-limit": change(setCreditLimitSchema, (body) => ({
    type: "SetCreditLimit",
    ...body,
  })),
  "POST /customers/{customerId}/suspend": change(suspendCustomerSchema, (body) => ({
    type: "SuspendCustomer",
    ...body,
  })),
  "POST /customers/{customerId}/reinstate": change(reinstateCustomerSchema, () => ({ type: "ReinstateCustomer" })),
  "POST /customers/{customerId}/reserve-credit": change(reserveCreditSchema, (body) => ({
    type: "ReserveCredit",
    ...body,
  })),
  "POST /customers/{customerId}/release-credit": change(releaseCreditSchema, (body) => ({
    type: "ReleaseCredit",
    ...body,
  })),
};

const customers = {
  aggregate: customerAggregate,
  rejectionStatus: customerRejectionStatus,
  collection: "/customers",
  idName: "customerId",
  pathSchema: z.strictObject({ customerId: customerIdSchema }),
} as const;

export const handler = commandFunction("customers", customers, routes);
