/**
 * The process order-to-cash as the engine runs it: which events it is told of, and who carries out its requests. The event
 * store is handed in with the call, because a function connects at its first request.
 */
import { type OrderToCashEvent, orderToCashEventTypes } from "../domain/order-to-cash/events.ts";
import { orderToCashDecider, type ProcessInput, type ProcessRejection } from "../domain/order-to-cash/order-to-cash.ts";
import type { ProcessRequest } from "../domain/order-to-cash/requests.ts";
import type { OrderToCash } from "../domain/order-to-cash/state.ts";
import { borders, translatedTypes } from "../domain/order-to-cash/translations/borders.ts";
import { contextCommand } from "../domain/order-to-cash/translations/context-commands.ts";
import type { Inbound } from "../domain/order-to-cash/translations/translation.ts";
import {
  type Aggregate,
  type AggregateEvent,
  type AggregateRejection,
  streamOf,
} from "../engine/commands/aggregate.ts";
import { type CommandRequest, handleCommand } from "../engine/commands/handle-command.ts";
import type { CommandOutcome } from "../engine/commands/outcome.ts";
import type { EventStore } from "../engine/event-store/event-store.ts";
import { type EventTypes, readEventData } from "../engine/event-store/event-types.ts";
import type { StoredEvent } from "../engine/event-store/stored-event.ts";
import type { RejectionStatus } from "../engine/http/command-answer.ts";
import type { ProcessManager, Sending } from "../engine/processes/process-manager.ts";
import { customerAggregate } from "./customer-aggregate.ts";
import { invoiceAggregate } from "./invoice-aggregate.ts";
import { orderAggregate } from "./order-aggregate.ts";
import { shipmentAggregate } from "./shipment-aggregate.ts";

export const orderToCashAggregate: Aggregate<OrderToCash, ProcessInput, OrderToCashEvent, ProcessRejection> = {
  category: "orderToCash",
  decider: orderToCashDecider,
  eventTypes: orderToCashEventTypes,
};

export const processRejectionStatus: RejectionStatus<ProcessRejection> = {
  PROCESS_NOT_FOUND: 404,
  PROCESS_NOT_HALTED: 409,
};

/** Who has caused what the process causes. */
export const orderToCashActor = "order-to-cash";

/** What triggers the process: the streams it listens to, and the events there that mean something to it. */
export const orderToCashTrigger = {
  categories: Object.keys(borders),
  filterCriteria: { type: [...translatedTypes] },
};

type OrderToCashManager = ProcessManager<OrderToCash, ProcessInput, ProcessRequest>;

export function orderToCashManager(eventStore: EventStore): OrderToCashManager {
  return {
    name: orderToCashActor,
    aggregate: orderToCashAggregate,
    inputOf,
    pending: ({ pending }) => pending,
    halted: ({ halted }) =>
      halted === undefined ? undefined : `${halted.request.step}: ${halted.message} (${halted.code})`,
    outcomeInput: (key, outcome, at) => ({ type: "RecordOutcome", key, outcome, at }),
    correlationId: ({ order }) => order?.correlationId,
    streamOfRequest: (request) => {
      const { to, id } = contextCommand(request);
      return streamOf(aggregates[to], id);
    },
    send: (request, sending) => send(eventStore, request, sending),
  };
}

/** By context, who carries out what the process asks of it. */
export const aggregates = {
  ordering: orderAggregate,
  customers: customerAggregate,
  logistics: shipmentAggregate,
  billing: invoiceAggregate,
};

type Border = { readonly eventTypes: EventTypes; readonly translations: Readonly<Record<string, Inbound<never>>> };

const byCategory: ReadonlyMap<string, Border> = new Map(Object.entries(borders));

/** What an event means to the process, and to which. */
export function inputOf(event: StoredEvent, at: string): ReturnType<OrderToCashManager["inputOf"]> {
  const category = event.stream.slice(0, event.stream.indexOf("-"));
  const border = byCategory.get(category);
  if (border === undefined || !Object.hasOwn(border.translations, event.type)) return undefined;
  // The type's own schema returns the data, and the translation of that name is written against that schema's output.
  const data = readEventData(border.eventTypes, event) as never;
  const { $correlationId: correlationId } = event.metadata;
  const fact = border.translations[event.type]?.translate(data, {
    recordedAt: event.recordedAt.toISOString(),
    correlationId: typeof correlationId === "string" ? correlationId : event.id,
  });
  if (fact === undefined) return undefined;
  return { id: fact.data.orderId, input: { type: "NoteFact", fact, cause: event.id, at } };
}

async function send(
  eventStore: EventStore,
  request: ProcessRequest,
  sending: Sending,
): Promise<CommandOutcome<AggregateRejection>> {
  const carryOut = <State, Command, Event extends AggregateEvent, Refusal extends AggregateRejection>(
    aggregate: Aggregate<State, Command, Event, Refusal>,
    { id, command }: Pick<CommandRequest<Command>, "id" | "command">,
  ): Promise<CommandOutcome<Refusal>> => handleCommand(eventStore, aggregate, { id, command, ...sending });

  const asked = contextCommand(request);
  switch (asked.to) {
    case "ordering":
      return carryOut(aggregates.ordering, asked);
    case "customers":
      return carryOut(aggregates.customers, asked);
    case "logistics":
      return carryOut(aggregates.logistics, asked);
    case "billing":
      return carryOut(aggregates.billing, asked);
  }
}
