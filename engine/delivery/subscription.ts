/**
 * A persistent subscription that triggers a function: reads the group, hands its events to lanes, acknowledges what the
 * function took. At least once, for ever: whatever ends the connection is followed by another, and only an event whose
 * effect is there is acknowledged.
 *
 * A stream always goes to the same lane, so one stream's events are never in two invocations at once. Events in memory are
 * bounded by the buffer that the store grants: a slow function slows the reading.
 */
import type { EventStoreDBClient, ResolvedEvent } from "@eventstore/db-client";
import type { LambdaClient } from "@aws-sdk/client-lambda";
import { setTimeout as sleep } from "node:timers/promises";
import { fromClientError, fromClientEvent } from "../event-store/from-client.ts";
import type { Logger } from "../http/logger.ts";
import { errorText } from "../quarantine/quarantine-record.ts";
import { type Backoff, delayAfter } from "./backoff.ts";
import { ensureGroup } from "./consumer-group.ts";
import { encodeRecord, itemIdentifier } from "./event-record.ts";
import { matches } from "./filter-criteria.ts";
import { type InvocationOutcome, invokeFunction, reportFailure } from "./function-invocation.ts";
import { GroupConnection } from "./group-connection.ts";
import type { HeldEvent } from "./held-event.ts";
import { Lane } from "./lane.ts";
import { MinuteRate } from "./minute-rate.ts";
import { bufferSize, type SubscriptionSettings } from "./subscription-settings.ts";

export interface SubscriptionContext {
  readonly client: EventStoreDBClient;
  readonly lambda: LambdaClient;
  readonly log: Logger;
}

export interface SubscriptionStatus {
  /** Of the trigger, and of the persistent subscription that it reads. */
  readonly name: string;
  readonly group: string;
  readonly connected: boolean;
  /** Events that the store has given us and that are not acknowledged yet. */
  readonly held: number;
  /** Those of them with which an invocation is under way. */
  readonly inFlight: number;
  /** Those of them that wait for a retry, or behind one. */
  readonly waiting: number;
  /** When the oldest of them was recorded, in ISO 8601; absent when none is held. */
  readonly oldestHeldAt?: string;
  /** Invocations, and events acknowledged, within the last minute. */
  readonly batchesPerSecond: number;
  readonly eventsPerSecond: number;
  /** Since the start of this subscription. */
  readonly acknowledged: number;
  readonly invocations: number;
  readonly failedInvocations: number;
}

const farewellMs = 1_000;
const reconnection: Backoff = { baseMs: 100, maximumMs: 5_000 };
/** A connection that held this long ends the series of failures before it. */
const steadyMs = 10_000;

export class Subscription {
  readonly settings: SubscriptionSettings;
  readonly #context: SubscriptionContext;
  readonly #lanes: readonly Lane[];
  readonly #held = new Map<string, HeldEvent>();
  readonly #stopping = new AbortController();
  /** Gives up invocations under way; not the same moment as the stop, which lets them end. */
  readonly #givingUp = new AbortController();
  #connection: GroupConnection | undefined;
  #running: Promise<void> | undefined;
  #groupIsSettled = false;
  readonly #batchRate = new MinuteRate();
  readonly #eventRate = new MinuteRate();
  #acknowledged = 0;
  #invocations = 0;
  #failedInvocations = 0;

  constructor(settings: SubscriptionSettings, context: SubscriptionContext) {
    this.settings = settings;
    this.#context = context;
    const owner = {
      invoke: (batch: readonly HeldEvent[]) => this.#invoke(batch),
      settle: this.#settle.bind(this),
    };
    this.#lanes = Array.from({ length: settings.parallelizationFactor }, () => new Lane(settings, owner));
  }

  /** Begins to connect, and goes on doing so until {@link stop}. */
  start(): void {
    this.#running ??= this.#run();
  }

  /** Events, since the start: {@link status} says the same and goes through all that is held for the rest. */
  get acknowledged(): number {
    return this.#acknowledged;
  }

  get status(): SubscriptionStatus {
    let inFlight = 0;
    let oldest: Date | undefined;
    for (const held of this.#held.values()) {
      if (held.inFlight) inFlight += 1;
      if (oldest === undefined || held.recordedAt < oldest) oldest = held.recordedAt;
    }
    return {
      name: this.settings.name,
      group: this.settings.group,
      connected: this.#connection?.isOpen === true,
      held: this.#held.size,
      inFlight,
      waiting: this.#lanes.reduce((sum, lane) => sum + lane.waiting, 0),
      ...(oldest === undefined ? {} : { oldestHeldAt: oldest.toISOString() }),
      batchesPerSecond: this.#batchRate.perSecond,
      eventsPerSecond: this.#eventRate.perSecond,
      acknowledged: this.#acknowledged,
      invocations: this.#invocations,
      failedInvocations: this.#failedInvocations,
    };
  }

  /**
   * Starts no further invocation, waits for those under way at most `graceMs`, sends their acks and leaves the group. What is
   * held and not acknowledged is given to the next consumer at once.
   */
  async stop(graceMs: number): Promise<void> {
    this.#stopping.abort();
    const grace = setTimeout(() => {
      this.#givingUp.abort();
    }, graceMs);
    await Promise.all(this.#lanes.map((lane) => lane.stop()));
    clearTimeout(grace);
    await this.#connection?.close();
    // A server that does not answer may hold up a connection that was just being made; it has given us nothing yet.
    await Promise.race([this.#running, sleep(farewellMs, undefined, { ref: false })]);
  }

  async #run(): Promise<void> {
    for (let failures = 0; !this.#isStopping();) {
      const since = performance.now();
      const why = await this.#connectUntilItEnds();
      if (this.#isStopping()) return;
      failures = performance.now() - since >= steadyMs ? 1 : failures + 1;
      const pauseMs = Math.round(delayAfter(failures, reconnection));
      this.#context.log.warn({ group: this.settings.group, failures, pauseMs, err: why }, "subscription ended");
      await sleep(pauseMs, undefined, { signal: this.#stopping.signal }).catch(() => undefined);
    }
  }

  /** Resolves with the reason; never rejects. */
  async #connectUntilItEnds(): Promise<unknown> {
    const { client, log } = this.#context;
    const { group } = this.settings;
    try {
      const outcome = await ensureGroup(client, this.settings, this.#groupIsSettled);
      this.#groupIsSettled = true;
      if (this.#isStopping()) return undefined;
      const buffer = bufferSize(this.settings);
      const connection = await GroupConnection.open(client, group, buffer, this.#received.bind(this));
      this.#connection = connection;
      if (this.#isStopping()) await connection.close();
      else log.info({ group, outcome }, "subscribed");
      const why = await connection.ended;
      this.#forget(connection);
      return fromClientError(why, `the subscription to ${group}`);
    } catch (error) {
      return fromClientError(error, `the subscription to ${group}`);
    }
  }

  #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  #received(connection: GroupConnection, resolved: ResolvedEvent): void {
    const { event } = resolved;
    // A link whose target is gone, or a record of the store's own: nothing that a function could take.
    if (event === undefined) {
      connection.ack([resolved]);
      return;
    }
    const stored = fromClientEvent(event);
    if (!matches(this.settings.filterCriteria, stored)) {
      connection.ack([resolved]);
      return;
    }
    const item = itemIdentifier(stored);
    const held = this.#held.get(item);
    if (held !== undefined) {
      // Delivered again while we hold it: it is acknowledged to whoever gave it to us last.
      held.delivery = { connection, event: resolved };
      return;
    }
    const record = encodeRecord(stored);
    const delivery = { connection, event: resolved };
    const { stream, revision, position, recordedAt } = stored;
    const fresh: HeldEvent = {
      item,
      stream,
      revision,
      position,
      recordedAt,
      record,
      bytes: Buffer.byteLength(record),
      inFlight: false,
      delivery,
    };
    this.#held.set(item, fresh);
    this.#laneOf(stream).add(fresh);
  }

  /** The store gives out again what a connection that is gone had been given: only what is under way is still ours. */
  #forget(connection: GroupConnection): void {
    if (this.#connection === connection) this.#connection = undefined;
    for (const lane of this.#lanes) lane.clear();
    for (const [item, held] of this.#held) {
      if (!held.inFlight) this.#held.delete(item);
      else if (held.delivery?.connection === connection) held.delivery = undefined;
    }
  }

  async #invoke(batch: readonly HeldEvent[]): Promise<InvocationOutcome> {
    const { functionName, invocationTimeoutMs: timeoutMs } = this.settings;
    this.#invocations += 1;
    this.#batchRate.add(1);
    const records = new Map(batch.map(({ item, record }) => [item, record]));
    const invocation = { functionName, timeoutMs, records, signal: this.#givingUp.signal };
    const outcome = await invokeFunction(this.#context.lambda, invocation);
    const [alone, ...others] = batch;
    if (outcome.outcome !== "failed" || alone === undefined || others.length > 0) return outcome;
    if (outcome.error.isOfSurroundings) return outcome;
    // The culprit is found. The function could not count its failure, so it is told to.
    const { stream, revision, position } = alone;
    const attempt = { stream, revision, position, error: errorText(outcome.error) };
    const isGivenUp = await reportFailure(this.#context.lambda, invocation, attempt);
    return isGivenUp ? { outcome: "answered", failed: new Set() } : outcome;
  }

  #settle(
    outcome: InvocationOutcome,
    succeeded: readonly HeldEvent[],
    failed: readonly HeldEvent[],
  ): readonly HeldEvent[] {
    this.#acknowledge(succeeded);
    if (failed.length > 0) this.#logFailure(outcome, failed);
    const retried = failed.filter(({ delivery }) => delivery !== undefined);
    for (const { item, delivery } of failed) if (delivery === undefined) this.#held.delete(item);
    return retried;
  }

  #acknowledge(events: readonly HeldEvent[]): void {
    const byConnection = new Map<GroupConnection, ResolvedEvent[]>();
    for (const { item, delivery } of events) {
      this.#held.delete(item);
      if (delivery === undefined) continue;
      const acked = byConnection.get(delivery.connection);
      if (acked === undefined) byConnection.set(delivery.connection, [delivery.event]);
      else acked.push(delivery.event);
    }
    for (const [connection, acked] of byConnection) {
      connection.ack(acked);
      this.#acknowledged += acked.length;
      this.#eventRate.add(acked.length);
    }
  }

  #logFailure(outcome: InvocationOutcome, failed: readonly HeldEvent[]): void {
    if (this.#givingUp.signal.aborted) return;
    this.#failedInvocations += 1;
    const { group, functionName } = this.settings;
    const error = outcome.outcome === "answered" ? {} : { err: outcome.error };
    const facts = { group, functionName, failed: failed.length, first: failed[0]?.item, ...error };
    this.#context.log.warn(facts, `invocation ${outcome.outcome}: events are tried again`);
  }

  #laneOf(stream: string): Lane {
    const lane = this.#lanes[hashOf(stream) % this.#lanes.length];
    if (lane === undefined) throw new RangeError("a subscription has at least one lane");
    return lane;
  }
}

/** FNV-1a: which lane a stream goes to matters to nobody but must be the same every time. */
function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193);
  }
  return hash >>> 0;
}
