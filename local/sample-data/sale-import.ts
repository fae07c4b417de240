/**
 * Takes sample customers and sales through the API, as people would: registers, places, dispatches, reports delivered, records
 * the payment. What is between those, the process does. Every request has an idempotency key that follows from its order, so
 * that it may be sent again at any time.
 */
import { z } from "zod";
import { addMoney } from "../../domain/kernel/money.ts";
import type { SampleCustomer, SampleSale } from "./northwind/northwind.ts";
import type { PatientApi } from "./patient-api.ts";

/** A customer that is registered already gets the limit that the orders need. */
export async function importCustomer(
  api: PatientApi,
  { customerId, name, creditLimit }: SampleCustomer,
  signal: AbortSignal,
): Promise<void> {
  const what = `customer ${customerId}`;
  const registering = { what, path: "/customers", body: { customerId, name, creditLimit } };
  const key = `import/customers/${customerId}`;
  const registered = await api.post({ ...registering, key, answered: ["CUSTOMER_ALREADY_REGISTERED"] }, signal);
  if (registered.outcome === "done") return;
  const path = `/customers/${customerId}/set-credit-limit`;
  await api.post({ what, path, key: `import${path}`, body: { creditLimit } }, signal);
}

/** What is done for every sale before the next thing is done for any: meanwhile the processes do their part, many at once. */
export interface Stage {
  /** For the progress of it: `orders placed`. */
  readonly name: string;
  readonly concerns: (sale: SampleSale) => boolean;
  readonly carryOut: (api: PatientApi, sale: SampleSale, signal: AbortSignal) => Promise<void>;
}

const isShipped = ({ shipment }: SampleSale): boolean => shipment !== undefined;

export const stages: readonly Stage[] = [
  { name: "orders placed", concerns: () => true, carryOut: place },
  { name: "orders dispatched and delivered", concerns: isShipped, carryOut: sendOff },
  { name: "orders paid", concerns: isShipped, carryOut: pay },
  { name: "orders imported", concerns: () => true, carryOut: awaitProcess },
];

/** One sale from its order to its end. */
export async function importSale(api: PatientApi, sale: SampleSale, signal: AbortSignal): Promise<void> {
  for (const { concerns, carryOut } of stages) if (concerns(sale)) await carryOut(api, sale, signal);
}

async function place(api: PatientApi, { order }: SampleSale, signal: AbortSignal): Promise<void> {
  const { orderId } = order;
  const key = `import/orders/${orderId}`;
  await api.post({ what: `order ${orderId}`, path: "/orders", key, body: order }, signal);
}

async function sendOff(api: PatientApi, { order, shipment }: SampleSale, signal: AbortSignal): Promise<void> {
  if (shipment === undefined) return;
  const { carrier, freight, dispatchedAt } = shipment;
  const what = `order ${order.orderId}`;
  const dispatch = `/shipments/${order.orderId}/dispatch`;
  const dispatched = { carrier, freight, dispatchedAt };
  const notYet = ["SHIPMENT_NOT_FOUND"];
  await api.post({ what, path: dispatch, key: `import${dispatch}`, body: dispatched, notYet }, signal);
  const deliver = `/shipments/${order.orderId}/deliver`;
  await api.post({ what, path: deliver, key: `import${deliver}`, body: { deliveredAt: dispatchedAt } }, signal);
}

async function pay(api: PatientApi, { order, total, shipment }: SampleSale, signal: AbortSignal): Promise<void> {
  if (shipment === undefined) return;
  const { orderId } = order;
  const path = `/invoices/${orderId}/record-payment`;
  const amount = addMoney(total, shipment.freight);
  const body = { paymentId: orderId, amount, receivedAt: shipment.dispatchedAt };
  const notYet = ["INVOICE_NOT_FOUND"];
  await api.post({ what: `order ${orderId}`, path, key: `import${path}`, body, notYet }, signal);
}

/** How far a sale has come, as its process tells. */
const progressSchema = z.object({ progress: z.string().optional(), ended: z.string().optional() });

/** Until the process has ended or, where nothing has left the house, has nothing left to do but wait for the shipment. */
async function awaitProcess(api: PatientApi, sale: SampleSale, signal: AbortSignal): Promise<void> {
  const { orderId } = sale.order;
  const isDone = ({ progress, ended }: z.output<typeof progressSchema>): boolean =>
    ended !== undefined || (!isShipped(sale) && progress === "schedule-shipment");
  const path = `/order-to-cash/${orderId}`;
  await api.get({ what: `order ${orderId}`, path, schema: progressSchema, until: isDone }, signal);
}
