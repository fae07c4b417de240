/** A command carried out by the decider of its context, and what of its events goes to the process. */
import { invoiceDecider } from "../../../domain/billing/invoice.ts";
import { customerDecider } from "../../../domain/customers/customer.ts";
import { type Decider, type DomainEvent, isRejection, type Rejection } from "../../../domain/kernel/decider.ts";
import { shipmentDecider } from "../../../domain/logistics/shipment.ts";
import type { RequestOutcome } from "../../../domain/order-to-cash/order-to-cash.ts";
import { borders } from "../../../domain/order-to-cash/translations/borders.ts";
import type { ContextCommand } from "../../../domain/order-to-cash/translations/context-commands.ts";
import type { Inbound } from "../../../domain/order-to-cash/translations/translation.ts";
import { orderDecider } from "../../../domain/ordering/order.ts";
import { caseOf, recordedAt, replaced, type Telling, type World } from "./world.ts";

export interface CarriedOut {
  readonly world: World;
  readonly events: readonly DomainEvent[];
  readonly outcome: RequestOutcome;
}

export function carriedOut(world: World, asked: ContextCommand): CarriedOut {
  if (asked.to === "customers") {
    const { state, events, outcome } = decided(customerDecider, world.customer, asked.command);
    return { world: events.length === 0 ? world : { ...world, customer: state }, events, outcome };
  }
  const one = caseOf(world, asked.id);
  switch (asked.to) {
    case "ordering": {
      const { state: order, events, outcome } = decided(orderDecider, one.order, asked.command);
      const history = [...one.history, ...events.map(({ type }) => type)];
      return { world: published(world, { ...one, order, history }, "order", events), events, outcome };
    }
    case "logistics": {
      const { state: shipment, events, outcome } = decided(shipmentDecider, one.shipment, asked.command);
      return { world: published(world, { ...one, shipment }, "shipment", events), events, outcome };
    }
    case "billing": {
      const { state: invoice, events, outcome } = decided(invoiceDecider, one.invoice, asked.command);
      return { world: published(world, { ...one, invoice }, "invoice", events), events, outcome };
    }
  }
}

function decided<State, Command, Event extends DomainEvent, Refusal extends Rejection>(
  decider: Decider<State, Command, Event, Refusal>,
  state: State,
  command: Command,
): { readonly state: State; readonly events: readonly Event[]; readonly outcome: RequestOutcome } {
  const decision = decider.decide(state, command);
  if (isRejection(decision)) {
    const { rejection: code, message } = decision;
    return { state, events: [], outcome: { is: "refused", code, message } };
  }
  const after = decision.reduce((before, event) => decider.evolve(before, event), state);
  return { state: after, events: decision, outcome: { is: "accepted" } };
}

type Changed = World["cases"][number];

/** The events under way to the process, each under an id that follows from what it says. */
function published(
  world: World,
  changed: Changed,
  category: keyof typeof borders,
  events: readonly DomainEvent[],
): World {
  if (events.length === 0) return world;
  // A table of one border, told by the event's type which of its translations fits: what inputOf of the function does, too.
  const translations: Readonly<Record<string, Inbound<never>>> = borders[category].translations;
  const tellings = events.flatMap((event): Telling[] => {
    const recording = { recordedAt, correlationId: "correlation" };
    const fact = translations[event.type]?.translate(event.data as never, recording);
    return fact === undefined ? [] : [{ cause: `${category}:${event.type}:${JSON.stringify(event.data)}`, fact }];
  });
  return replaced(world, { ...changed, underWay: [...changed.underWay, ...tellings] });
}
