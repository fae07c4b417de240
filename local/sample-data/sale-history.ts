/**
 * Sample customers and sales as the events that the real command path appends for them, without a server: the same deciders,
 * the same process, the same ids, keys and metadata; only the clock is given. What is generated from the same sales at the
 * same time is the same to the byte.
 */
import { registerCustomerSchema } from "../../domain/customers/commands.ts";
import { isRejection } from "../../domain/kernel/decider.ts";
import { addMoney } from "../../domain/kernel/money.ts";
import { customerIdSchema, orderIdSchema } from "../../domain/kernel/schemas.ts";
import { paymentIdSchema } from "../../domain/billing/ids.ts";
import { placeOrderSchema } from "../../domain/ordering/commands.ts";
import { contextCommand } from "../../domain/order-to-cash/translations/context-commands.ts";
import {
  type Aggregate,
  type AggregateEvent,
  type AggregateRejection,
  streamOf,
} from "../../engine/commands/aggregate.ts";
import { commandDigest, eventIds, type IdempotencyKey } from "../../engine/commands/idempotency.ts";
import { type CommandOrigin, newEvents } from "../../engine/commands/new-events.ts";
import { madeIdNamespace, uuidV5 } from "../../engine/commands/uuid-v5.ts";
import { startOfAll } from "../../engine/event-store/position.ts";
import type { NewEvent, StoredEvent } from "../../engine/event-store/stored-event.ts";
import { processKey } from "../../engine/processes/process-manager.ts";
import { aggregates, inputOf, orderToCashActor, orderToCashAggregate } from "../../functions/order-to-cash-process.ts";
import type { Northwind, SampleCustomer, SampleSale } from "./northwind/northwind.ts";

export interface SampleAppend {
  readonly stream: string;
  /** The revision before; -1 where the stream begins. */
  readonly expected: bigint;
  readonly events: readonly NewEvent[];
}

/** What the store records at one moment, in this order. */
export interface SampleMoment {
  readonly at: Date;
  readonly appends: readonly SampleAppend[];
}

/** Sales that are worked on at the same moment. */
const salesAtOnce = 40;
const betweenMomentsMs = 10_000;

/** The same data once more, with ids of its own. */
export function copyOf({ customers, sales }: Northwind, copy: number): Northwind {
  const numbered = (id: string): string => `${id}-${copy.toString().padStart(3, "0")}`;
  return {
    customers: customers.map((customer) => ({ ...customer, customerId: numbered(customer.customerId) })),
    sales: sales.map(({ order, ...sale }) => {
      const { orderId, customerId } = order;
      return { ...sale, order: { ...order, orderId: numbered(orderId), customerId: numbered(customerId) } };
    }),
  };
}

/** So many copies, one after the other. */
export function* historyOfCopies(northwind: Northwind, copies: number, from: Date): Generator<SampleMoment, void> {
  let at = from;
  for (let copy = 1; copy <= copies; copy += 1) {
    for (const moment of historyOf(copyOf(northwind, copy), at)) {
      yield moment;
      at = moment.at;
    }
  }
}

/** The events of all these customers and sales, stage by stage as the import goes through them. */
export function* historyOf({ customers, sales }: Northwind, from: Date): Generator<SampleMoment, void> {
  let time = from.getTime();
  const history = new SaleHistory();
  const stages = [
    customers.map((customer) => (at: string) => history.register(customer, at)),
    sales.map((sale) => (at: string) => history.place(sale, at)),
    sales.map((sale) => (at: string) => history.sendOff(sale, at)),
    sales.map((sale) => (at: string) => history.pay(sale, at)),
  ];
  for (const steps of stages) {
    for (let first = 0; first < steps.length; first += salesAtOnce) {
      const at = new Date(time);
      for (const step of steps.slice(first, first + salesAtOnce)) step(at.toISOString());
      yield { at, appends: history.takeAppends() };
      time += betweenMomentsMs;
    }
  }
}

class SaleHistory {
  #appends: SampleAppend[] = [];
  readonly #orders = new Streams(aggregates.ordering);
  readonly #customers = new Streams(aggregates.customers);
  readonly #shipments = new Streams(aggregates.logistics);
  readonly #invoices = new Streams(aggregates.billing);
  readonly #processes = new Streams(orderToCashAggregate);

  takeAppends(): readonly SampleAppend[] {
    const appends = this.#appends;
    this.#appends = [];
    return appends;
  }

  register(customer: SampleCustomer, at: string): void {
    const { customerId } = customer;
    const command = {
      type: "RegisterCustomer",
      ...registerCustomerSchema.parse(customer),
      customerId: customerIdSchema.parse(customerId),
    } as const;
    this.#request(this.#customers, customerId, command, `import/customers/${customerId}`, customer, at);
  }

  place({ order }: SampleSale, at: string): void {
    const { orderId, orderedAt } = order;
    const command = {
      type: "PlaceOrder",
      ...placeOrderSchema.parse(order),
      orderId: orderIdSchema.parse(orderId),
      orderedAt: new Date(orderedAt).toISOString(),
    } as const;
    this.#request(this.#orders, orderId, command, `import/orders/${orderId}`, order, at);
  }

  sendOff({ order: { orderId }, shipment }: SampleSale, at: string): void {
    if (shipment === undefined) return;
    const { carrier, freight } = shipment;
    const dispatchedAt = new Date(shipment.dispatchedAt).toISOString();
    const path = `import/shipments/${orderId}`;
    const dispatch = { type: "DispatchShipment", carrier, freight, dispatchedAt } as const;
    this.#request(this.#shipments, orderId, dispatch, `${path}/dispatch`, shipment, at);
    const deliver = { type: "DeliverShipment", deliveredAt: dispatchedAt } as const;
    this.#request(this.#shipments, orderId, deliver, `${path}/deliver`, { deliveredAt: shipment.dispatchedAt }, at);
  }

  pay({ order: { orderId }, total, shipment }: SampleSale, at: string): void {
    if (shipment === undefined) return;
    const amount = addMoney(total, shipment.freight);
    const receivedAt = new Date(shipment.dispatchedAt).toISOString();
    const command = { type: "RecordPayment", paymentId: paymentIdSchema.parse(orderId), amount, receivedAt } as const;
    const body = { paymentId: orderId, amount, receivedAt: shipment.dispatchedAt };
    this.#request(this.#invoices, orderId, command, `import/invoices/${orderId}/record-payment`, body, at);
  }

  /** A request of a client, and all that the process makes of it. */
  #request<Command extends { readonly type: string }, Event extends AggregateEvent>(
    streams: Streams<unknown, Command, Event>,
    id: string,
    command: Command,
    key: string,
    body: object,
    at: string,
  ): void {
    const idempotency = { key, digest: commandDigest(command.type, JSON.stringify(body)) };
    const idOf = (what: string): string => uuidV5(JSON.stringify([what, key]), madeIdNamespace);
    const origin = { correlationId: idOf("correlation"), causationId: idOf("request") };
    this.#toldOf(this.#carryOut(streams, id, command, origin, idempotency, at), at);
  }

  /** As the process function does, event after event. */
  #toldOf(events: readonly StoredEvent[], at: string): void {
    const untold = [...events];
    for (let event = untold.shift(); event !== undefined; event = untold.shift()) {
      const concerned = inputOf(event, at);
      if (concerned === undefined) continue;
      const { id, input } = concerned;
      const { $correlationId: correlationId = event.id } = event.metadata;
      this.#tell(id, input, processKey(event.id), { correlationId, causationId: event.id }, at);
      untold.push(...this.#askAll(id, correlationId, at));
    }
  }

  /** Sends what is pending until nothing is; returns what became of it. */
  #askAll(id: string, correlationId: string, at: string): StoredEvent[] {
    const events: StoredEvent[] = [];
    for (let { pending } = this.#processes.stateOf(id); pending !== undefined;) {
      const { key, cause, request } = pending;
      const origin = { correlationId, causationId: cause, actor: orderToCashActor };
      const idempotency = { key: processKey(key), digest: commandDigest(orderToCashActor, JSON.stringify(request)) };
      events.push(...this.#ask(contextCommand(request), origin, idempotency, at));
      const outcome = { type: "RecordOutcome", key, outcome: { is: "accepted" }, at } as const;
      this.#tell(id, outcome, processKey(`${key}:accepted`), origin, at);
      ({ pending } = this.#processes.stateOf(id));
    }
    return events;
  }

  #ask(
    asked: ReturnType<typeof contextCommand>,
    origin: CommandOrigin,
    idempotency: IdempotencyKey,
    at: string,
  ): StoredEvent[] {
    switch (asked.to) {
      case "ordering":
        return this.#carryOut(this.#orders, asked.id, asked.command, origin, idempotency, at);
      case "customers":
        return this.#carryOut(this.#customers, asked.id, asked.command, origin, idempotency, at);
      case "logistics":
        return this.#carryOut(this.#shipments, asked.id, asked.command, origin, idempotency, at);
      case "billing":
        return this.#carryOut(this.#invoices, asked.id, asked.command, origin, idempotency, at);
    }
  }

  #tell(
    id: string,
    input: Parameters<typeof orderToCashAggregate.decider.decide>[1],
    key: string,
    origin: CommandOrigin,
    at: string,
  ): void {
    const idempotency = { key, digest: commandDigest(orderToCashActor, key) };
    this.#carryOut(this.#processes, id, input, { ...origin, actor: orderToCashActor }, idempotency, at);
  }

  #carryOut<Command, Event extends AggregateEvent>(
    streams: Streams<unknown, Command, Event>,
    id: string,
    command: Command,
    origin: CommandOrigin,
    idempotency: IdempotencyKey,
    at: string,
  ): StoredEvent[] {
    const append = streams.carryOut(id, command, origin, idempotency);
    if (append === undefined) return [];
    this.#appends.push(append);
    return append.events.map((event, index) => ({
      ...event,
      stream: append.stream,
      revision: append.expected + 1n + BigInt(index),
      // Nobody has asked for it: the log gives it when this is written there.
      position: startOfAll,
      recordedAt: new Date(at),
    }));
  }
}

/** The streams of one aggregate, as far as they are written. */
class Streams<State, Command, Event extends AggregateEvent> {
  readonly #aggregate: Aggregate<State, Command, Event, AggregateRejection>;
  readonly #known = new Map<string, { readonly state: State; readonly revision: bigint }>();

  constructor(aggregate: Aggregate<State, Command, Event, AggregateRejection>) {
    this.#aggregate = aggregate;
  }

  stateOf(id: string): State {
    return this.#known.get(id)?.state ?? this.#aggregate.decider.initialState;
  }

  /** Undefined where the command changes nothing. */
  carryOut(id: string, command: Command, origin: CommandOrigin, idempotency: IdempotencyKey): SampleAppend | undefined {
    const { decider, eventTypes } = this.#aggregate;
    const stream = streamOf(this.#aggregate, id);
    const state = this.stateOf(id);
    const decision = decider.decide(state, command);
    if (isRejection(decision)) throw new Error(`${stream} refuses a sample sale: ${decision.message}`);
    if (decision.length === 0) return undefined;
    const expected = this.#known.get(id)?.revision ?? -1n;
    const events = newEvents(eventTypes, decision, eventIds(stream, idempotency), origin, idempotency);
    this.#known.set(id, {
      // As the type's own schema has made the data: what a process asks is worded by what it knows.
      state: events.reduce((before, { type, data }) => decider.evolve(before, { type, data } as Event), state),
      revision: expected + BigInt(events.length),
    });
    return { stream, expected, events };
  }
}
