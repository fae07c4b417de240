/** Requests of the process as commands of the contexts, each with the id of the aggregate that carries it out. */
import type { InvoiceCommand } from "../../billing/commands.ts";
import type { CustomerCommand } from "../../customers/commands.ts";
import type { ShipmentCommand } from "../../logistics/commands.ts";
import type { OrderCommand } from "../../ordering/commands.ts";
import type { ProcessRequest } from "../requests.ts";
import { toBilling } from "./billing.ts";
import { toCustomers } from "./customers.ts";
import { toLogistics } from "./logistics.ts";
import { toOrdering } from "./ordering.ts";

export type ContextCommand =
  | { readonly to: "ordering"; readonly id: string; readonly command: OrderCommand }
  | { readonly to: "customers"; readonly id: string; readonly command: CustomerCommand }
  | { readonly to: "logistics"; readonly id: string; readonly command: ShipmentCommand }
  | { readonly to: "billing"; readonly id: string; readonly command: InvoiceCommand };

/** An order's shipment and invoice bear its id. */
export function contextCommand(request: ProcessRequest): ContextCommand {
  const { orderId: id } = request;
  switch (request.step) {
    case "confirm-order":
      return { to: "ordering", id, command: toOrdering[request.step](request) };
    case "reject-order":
      return { to: "ordering", id, command: toOrdering[request.step](request) };
    case "complete-order":
      return { to: "ordering", id, command: toOrdering[request.step](request) };
    case "cancel-order":
      return { to: "ordering", id, command: toOrdering[request.step](request) };
    case "reserve-credit":
      return { to: "customers", id: request.customerId, command: toCustomers[request.step](request) };
    case "release-credit":
      return { to: "customers", id: request.customerId, command: toCustomers[request.step](request) };
    case "schedule-shipment":
      return { to: "logistics", id, command: toLogistics[request.step](request) };
    case "cancel-shipment":
      return { to: "logistics", id, command: toLogistics[request.step](request) };
    case "issue-invoice":
      return { to: "billing", id, command: toBilling[request.step](request) };
    case "mark-overdue":
      return { to: "billing", id, command: toBilling[request.step](request) };
    case "credit-invoice":
      return { to: "billing", id, command: toBilling[request.step](request) };
  }
}
