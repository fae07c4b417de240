/** The border to customers. The process asks and hears the answer; nothing else of a customer is its business. */
import type { CustomerCommand } from "../../customers/commands.ts";
import type { Outbound } from "./translation.ts";

export const fromCustomers = {};

export const toCustomers: Outbound<"reserve-credit" | "release-credit", CustomerCommand> = {
  "reserve-credit": ({ orderId, amount }) => ({ type: "ReserveCredit", orderId, amount }),
  "release-credit": ({ orderId, customerId }) => ({ type: "BarReservation", customerId, orderId }),
};
