/**
 * The deadlines of an order. They count from when the store recorded what starts them, never from business dates: an order of
 * 1996 that is recorded today is not thirty years late.
 */
import { addDays } from "../kernel/instants.ts";
import { type DeadlineName, deadlineNames, type OrderToCashEvent } from "./events.ts";
import { isUndone } from "./next-move.ts";
import type { OrderToCash } from "./state.ts";

const daysToDispatch = 14;
/** As long as billing gives its customers. */
const daysToPay = 30;

/** When the deadline is due, as long as what it waits for is wanted and not there. */
const wanted: Readonly<Record<DeadlineName, (process: OrderToCash) => string | undefined>> = {
  dispatch: ({ plannedAt, dispatched, delivered }) =>
    plannedAt === undefined || dispatched !== undefined || delivered !== undefined
      ? undefined
      : addDays(plannedAt, daysToDispatch),
  // One clock at a time: an invoice that somebody issued by hand before the dispatch does not start this one.
  payment: ({ invoicedAt, dispatched, settled }) =>
    invoicedAt === undefined || dispatched === undefined || settled !== undefined
      ? undefined
      : addDays(invoicedAt, daysToPay),
};

/** The events that bring the clocks to what the process knows now. `isOver`: nothing is waited for any more. */
export function deadlineChanges(
  process: OrderToCash,
  { orderId }: NonNullable<OrderToCash["order"]>,
  isOver: boolean,
): OrderToCashEvent[] {
  return deadlineNames.flatMap((name): OrderToCashEvent[] => {
    const dueAt = isOver || isUndone(process) ? undefined : wanted[name](process);
    const clock = process.clocks[name];
    if (dueAt !== undefined && clock === undefined) return [{ type: "DeadlineSet", data: { orderId, name, dueAt } }];
    const isOn = clock !== undefined && clock.is !== "lifted";
    return dueAt === undefined && isOn ? [{ type: "DeadlineLifted", data: { orderId, name } }] : [];
  });
}
