/** Nine streams of each category, as different as their events allow, to be delivered in every way. */
import { randomUUID } from "node:crypto";
import type { JSONType } from "@eventstore/db-client";
import type { InvoiceCommand } from "../../domain/billing/commands.ts";
import type { InvoiceEvent } from "../../domain/billing/events.ts";
import { creditNoteIdSchema, invoiceIdSchema, paymentIdSchema } from "../../domain/billing/ids.ts";
import { type Invoice, invoiceDecider } from "../../domain/billing/invoice.ts";
import type { CustomerCommand } from "../../domain/customers/commands.ts";
import { customerDecider } from "../../domain/customers/customer.ts";
import { customerIdSchema, orderIdSchema, productIdSchema } from "../../domain/kernel/schemas.ts";
import type { ShipmentCommand } from "../../domain/logistics/commands.ts";
import type { ShipmentEvent } from "../../domain/logistics/events.ts";
import { shipmentIdSchema } from "../../domain/logistics/shipment-id.ts";
import { type Shipment, shipmentDecider } from "../../domain/logistics/shipment.ts";
import {
  cancelled,
  cancelledAfterConfirmation,
  completed,
  confirmed,
  type OrderForTest,
  placed,
  rejected,
} from "./order-events.ts";
import { accepted, factsOf, noted, passed, processHistory, refused, retried, usd } from "./process-histories.ts";
import { historyOf, type StreamEvent } from "./row-of-events.ts";

export interface StreamHistory {
  readonly stream: string;
  readonly events: readonly {
    readonly type: string;
    readonly data: JSONType;
    readonly metadata?: { readonly schemaVersion: number };
  }[];
}

const streamsEach = 9;

/** Three of the customers have the orders and the invoices. */
export function histories(): readonly StreamHistory[] {
  const run = randomUUID();
  const customerOf = (index: number): string => `${index % 3}-${run}`;
  const makers = { order: orderHistory, customer, invoice, shipment, orderToCash };
  return Object.entries(makers).flatMap(([category, events]) =>
    Array.from({ length: streamsEach }, (_, index) => {
      const id = `${index}-${run}`;
      return { stream: `${category}-${id}`, events: withOthers(events(id, index, customerOf(index)), index) };
    }),
  );
}

/** Events of a type that no projection lists stand behind the first and at the end of some. */
function withOthers(events: readonly StreamEvent[], index: number): StreamHistory["events"] {
  const other = { type: "Noted", data: {} };
  const [first, ...rest] = events;
  const others = Array.from({ length: index % 3 }, () => other);
  const all = [...(first === undefined ? [] : [first]), ...others, ...rest, ...(index % 2 === 0 ? [other] : [])];
  // Events are JSON: their schemas let nothing else through.
  return all as StreamHistory["events"];
}

/** In three months and two currencies, of one product or several; two of nine stay as they were placed. */
function orderHistory(orderId: string, index: number, customerId: string): readonly StreamEvent[] {
  const order: OrderForTest = {
    orderId,
    customerId,
    orderedAt: `1996-0${7 + (index % 3)}-0${1 + index}T00:00:00.000Z`,
    amount: 10 ** (index % 6),
    currency: index % 2 === 0 ? "USD" : "EUR",
    products: ["11", "42", "11", "72"].slice(0, 1 + (index % 4)),
  };
  const fates = [
    [cancelled(order, "too late")],
    [confirmed(order), cancelledAfterConfirmation(order)],
    [rejected(order)],
    [],
    [confirmed(order), completed(order)],
  ];
  return [placed(order), ...(fates[index % fates.length] ?? [])];
}

function customer(id: string, index: number): readonly StreamEvent[] {
  const customerId = customerIdSchema.parse(id);
  const [first, second] = [orderIdSchema.parse("1"), orderIdSchema.parse("2")];
  const commands: readonly CustomerCommand[] = [
    { type: "RegisterCustomer", customerId, name: "Vinet", creditLimit: usd(500) },
    { type: "ChangeCustomerDetails", name: "Vinet SA", contact: "Paul Henriot" },
    { type: "ReserveCredit", orderId: first, amount: usd(200 + index) },
    { type: "SuspendCustomer", reason: "unpaid" },
    { type: "ReinstateCustomer" },
    { type: "ReserveCredit", orderId: second, amount: usd(30) },
    { type: "SetCreditLimit", creditLimit: usd(400 + index) },
    { type: "ChangeCustomerDetails", name: "Vinet" },
    { type: "ReleaseCredit", orderId: first },
  ];
  return historyOf(customerDecider, commands.slice(0, 1 + index)).events;
}

function invoice(id: string, index: number, customer: string): readonly StreamEvent[] {
  const orderId = orderIdSchema.parse(id);
  const customerId = customerIdSchema.parse(customer);
  const money = (amount: number) => ({ amount, currency: index % 2 === 0 ? "USD" : "EUR" });
  const issuedAt = `1996-07-0${1 + index}T00:00:00.000Z`;
  const payment = (paymentId: string, amount: number): InvoiceCommand => ({
    type: "RecordPayment",
    paymentId: paymentIdSchema.parse(paymentId),
    amount: money(amount),
    receivedAt: "1996-08-01T00:00:00.000Z",
  });
  const note = (creditNoteId: string, amount: number): InvoiceCommand => ({
    type: "IssueCreditNote",
    creditNoteId: creditNoteIdSchema.parse(creditNoteId),
    amount: money(amount),
    reason: "returned",
  });
  const ways: readonly (readonly InvoiceCommand[])[] = [
    [payment("p1", 60), payment("p2", 40)],
    [payment("p1", 60), note("c1", 50), note("c2", 50)],
    [{ type: "MarkInvoiceOverdue" }, payment("p1", 10), note("c1", 20), payment("p2", 70)],
    [{ type: "VoidInvoice", reason: "wrong address" }],
  ];
  const invoiceId = invoiceIdSchema.parse(id);
  const [goods, freight] = [money(90), money(10)];
  return historyOf<Invoice, InvoiceCommand, InvoiceEvent>(invoiceDecider, [
    { type: "IssueInvoice", invoiceId, orderId, customerId, goods, freight, issuedAt },
    ...(ways[index % ways.length] ?? []),
  ]).events;
}

function shipment(id: string, index: number): readonly StreamEvent[] {
  const shipmentId = shipmentIdSchema.parse(id);
  const orderId = orderIdSchema.parse(id);
  const customerId = customerIdSchema.parse("VINET");
  const items = [{ productId: productIdSchema.parse("11"), quantity: 1 + index }];
  const dispatchedAt = `1996-07-1${index}T00:00:00.000Z`;
  const dispatch: ShipmentCommand = { type: "DispatchShipment", carrier: "Speedy", freight: usd(10), dispatchedAt };
  const cancel: ShipmentCommand = { type: "CancelShipment", reason: "out of stock" };
  const ways: readonly (readonly ShipmentCommand[])[] = [
    [dispatch, { type: "DeliverShipment", deliveredAt: "1996-08-01T00:00:00.000Z" }],
    [dispatch, { type: "ReportShipmentLost", reason: "fell into the sea" }],
    [dispatch, cancel],
    [cancel],
    [],
  ];
  return historyOf<Shipment, ShipmentCommand, ShipmentEvent>(shipmentDecider, [
    { type: "ScheduleShipment", shipmentId, orderId, customerId, items, currency: "USD" },
    ...(ways[index % ways.length] ?? []),
  ]).events;
}

function orderToCash(id: string, index: number): readonly StreamEvent[] {
  const facts = factsOf(id);
  const scheduled = [noted(facts.received), accepted, accepted, accepted, noted(facts.planned)];
  const invoiced = [...scheduled, noted(facts.dispatched), accepted, noted(facts.invoiced), noted(facts.delivered)];
  const ways = [
    [...invoiced, noted(facts.paid(4_000, 6_000)), noted(facts.paid(6_000, 0)), accepted, accepted],
    [...invoiced, noted(facts.paid(4_000, 6_000)), passed("payment"), accepted],
    [...scheduled, passed("dispatch"), noted(facts.withdrawn), refused("SHIPMENT_DELIVERED", "late"), accepted],
    [noted(facts.received), accepted, accepted, refused("NOT_KNOWN", "what?")],
    [noted(facts.received), refused("NOT_KNOWN", "what?"), retried, refused("CUSTOMER_SUSPENDED", "unpaid"), accepted],
    [...invoiced, noted(facts.paid(4_000, 6_000)), noted(facts.lost), accepted, accepted],
    [...scheduled, noted(facts.calledOff), accepted, accepted],
    [...invoiced, noted(facts.credited(10_000, 0, 0))],
    [...invoiced, noted(facts.invoiceWithdrawn)],
  ];
  return processHistory(ways[index % ways.length] ?? []).events;
}
