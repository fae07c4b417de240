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

/** How far a sale has come, as its process tells. */
const progressSchema = z.object({ progress: z.string().optional(), ended: z.string().optional() });

/** Resolves when the process has nothing left to do but wait for the shipment, or has ended. */
export async function importSale(
  api: PatientApi,
  { order, total, shipment }: SampleSale,
  signal: AbortSignal,
): Promise<void> {
  const { orderId } = order;
  const what = `order ${orderId}`;
  const progress = { what, path: `/order-to-cash/${orderId}`, schema: progressSchema };
  await api.post({ what, path: "/orders", key: `import/orders/${orderId}`, body: order }, signal);
  if (shipment === undefined) {
    const isScheduled = (known: z.output<typeof progressSchema>): boolean =>
      known.progress === "schedule-shipment" || known.ended !== undefined;
    await api.get({ ...progress, until: isScheduled }, signal);
    return;
  }
  const { carrier, freight, dispatchedAt } = shipment;
  const steps = [
    {
      path: `/shipments/${orderId}/dispatch`,
      body: { carrier, freight, dispatchedAt },
      notYet: ["SHIPMENT_NOT_FOUND"],
    },
    { path: `/shipments/${orderId}/deliver`, body: { deliveredAt: dispatchedAt } },
    {
      path: `/invoices/${orderId}/record-payment`,
      body: { paymentId: orderId, amount: addMoney(total, freight), receivedAt: dispatchedAt },
      notYet: ["INVOICE_NOT_FOUND"],
    },
  ];
  for (const step of steps) await api.post({ what, key: `import${step.path}`, ...step }, signal);
  await api.get({ ...progress, until: ({ ended }) => ended !== undefined }, signal);
}
