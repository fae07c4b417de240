/**
 * One lane of a subscription: its streams' events, first in first out, one invocation at a time. A stream whose event failed
 * waits with all its later events until a retry succeeds; the lane's other streams go on.
 *
 * After a failure of the whole batch one of its events may be the culprit, so the batch is tried again in halves, each by
 * itself, until the culprit is alone. What the function itself reports as failed is retried together.
 */
import { performance } from "node:perf_hooks";
import { type Backoff, delayAfter } from "./backoff.ts";
import { payloadFrameBytes } from "./event-record.ts";
import type { InvocationOutcome } from "./function-invocation.ts";
import type { HeldEvent } from "./held-event.ts";

export interface LaneSettings {
  readonly batchSize: number;
  readonly maximumBatchingWindowInSeconds: number;
  readonly maximumPayloadBytes: number;
  readonly retry: Backoff;
}

export interface LaneOwner {
  /** Never rejects. */
  readonly invoke: (batch: readonly HeldEvent[]) => Promise<InvocationOutcome>;
  /** Told what an invocation did, when it is over. Returns those of `failed` that are still to be retried here. */
  readonly settle: (
    outcome: InvocationOutcome,
    succeeded: readonly HeldEvent[],
    failed: readonly HeldEvent[],
  ) => readonly HeldEvent[];
}

/** Failed events of one stream, or of several when any of them may have failed the others. */
interface Retry {
  readonly events: readonly HeldEvent[];
  /** Later events of the same streams. */
  readonly behind: HeldEvent[];
  readonly dueAt: number;
  readonly isolated: boolean;
}

const unreachableBackoff: Backoff = { baseMs: 50, maximumMs: 2_000 };

export class Lane {
  readonly #settings: LaneSettings;
  readonly #owner: LaneOwner;
  #ready: HeldEvent[] = [];
  /** When the first of the events that are ready came. */
  #readySince = 0;
  readonly #retries = new Map<string, Retry>();
  /** Failures in a row, by stream; only of streams that are held. */
  readonly #failures = new Map<string, number>();
  #pausedUntil = 0;
  #unreachable = 0;
  #running: Promise<void> | undefined;
  #scheduled: NodeJS.Immediate | undefined;
  #timer: NodeJS.Timeout | undefined;
  #stopped = false;

  constructor(settings: LaneSettings, owner: LaneOwner) {
    this.#settings = settings;
    this.#owner = owner;
  }

  add(event: HeldEvent): void {
    const retry = this.#retries.get(event.stream);
    if (retry !== undefined) {
      retry.behind.push(event);
      return;
    }
    if (this.#ready.length === 0) this.#readySince = performance.now();
    this.#ready.push(event);
    // Not at once: what arrives in the same turn goes into the same batch.
    this.#scheduled ??= setImmediate(() => {
      this.#scheduled = undefined;
      this.#pump();
    });
  }

  /** How many events wait for a retry or behind one. */
  get waiting(): number {
    let waiting = 0;
    for (const { events, behind } of this.#distinctRetries()) waiting += events.length + behind.length;
    return waiting;
  }

  /** Lets go of all events but those of the invocation under way. */
  clear(): void {
    this.#ready = [];
    this.#retries.clear();
    this.#failures.clear();
  }

  /** Starts no further invocation; resolves when the one under way is over. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearImmediate(this.#scheduled);
    clearTimeout(this.#timer);
    await this.#running;
  }

  get #windowMs(): number {
    return 1_000 * this.#settings.maximumBatchingWindowInSeconds;
  }

  #pump(): void {
    if (this.#running !== undefined || this.#stopped) return;
    const now = performance.now();
    const batch = now < this.#pausedUntil ? [] : this.#nextBatch(now);
    if (batch.length === 0) this.#sleep(now);
    else {
      this.#running = this.#run(batch).finally(() => {
        this.#running = undefined;
        this.#pump();
      });
    }
  }

  #nextBatch(now: number): HeldEvent[] {
    const due = this.#distinctRetries().filter(({ dueAt }) => dueAt <= now);
    const isolated = due.find((retry) => retry.isolated);
    if (isolated !== undefined) {
      this.#release(isolated);
      return [...isolated.events];
    }
    // In front of the others, their successors right behind them.
    for (const retry of due) this.#release(retry, retry.events);
    return due.length > 0 || this.#isReady(now) ? this.#takeReady() : [];
  }

  /** Unblocks the streams of a retry; what waited behind it is next. */
  #release(retry: Retry, first: readonly HeldEvent[] = []): void {
    for (const { stream } of retry.events) this.#retries.delete(stream);
    this.#putFirst([...first, ...retry.behind]);
  }

  #putFirst(events: readonly HeldEvent[]): void {
    this.#ready = [...events, ...this.#ready];
  }

  #isReady(now: number): boolean {
    const { batchSize, maximumPayloadBytes } = this.#settings;
    if (this.#ready.length === 0) return false;
    if (this.#ready.length >= batchSize || now - this.#readySince >= this.#windowMs) return true;
    let bytes = payloadFrameBytes;
    return this.#ready.some((event) => (bytes += event.bytes + 1) >= maximumPayloadBytes);
  }

  /** As many as one payload takes, at least one: what is too large alone fails alone. */
  #takeReady(): HeldEvent[] {
    const { batchSize, maximumPayloadBytes } = this.#settings;
    const longest = Math.min(batchSize, this.#ready.length);
    let bytes = payloadFrameBytes;
    let count = 0;
    for (; count < longest; count += 1) {
      bytes += (this.#ready[count]?.bytes ?? 0) + 1;
      if (bytes > maximumPayloadBytes && count > 0) break;
    }
    this.#readySince = performance.now();
    return this.#ready.splice(0, count);
  }

  async #run(batch: readonly HeldEvent[]): Promise<void> {
    for (const event of batch) event.inFlight = true;
    const outcome = await this.#owner.invoke(batch);
    for (const event of batch) event.inFlight = false;

    const failed = failedOf(batch, outcome);
    const succeeded = batch.filter((event) => !failed.has(event));
    const retried = this.#owner.settle(outcome, succeeded, [...failed]);

    if (this.#failures.size > 0) for (const { stream } of succeeded) this.#failures.delete(stream);
    if (outcome.outcome === "unreachable") {
      this.#unreachable += 1;
      this.#pausedUntil = performance.now() + delayAfter(this.#unreachable, unreachableBackoff);
      this.#putFirst(retried);
      return;
    }
    this.#unreachable = 0;
    if (retried.length === 0) return;
    const streams = groupByStream(retried);
    if (outcome.outcome === "answered") for (const events of streams) this.#block([events], false);
    else if (streams.length === 1) this.#isolate(streams[0] ?? []);
    else {
      const middle = Math.ceil(streams.length / 2);
      this.#block(streams.slice(0, middle), true);
      this.#block(streams.slice(middle), true);
    }
  }

  /** Of a stream the first half of its events goes by itself, until one is alone; the others wait behind it. */
  #isolate(events: readonly HeldEvent[]): void {
    const half = Math.ceil(events.length / 2);
    this.#putFirst(events.slice(half));
    this.#block([events.slice(0, half)], true, events.length === 1);
  }

  /** Makes streams wait for a retry. Only a stream that failed by itself is counted up: the others may be innocent. */
  #block(streams: readonly (readonly HeldEvent[])[], isolated: boolean, isCounted = true): void {
    const events = streams.flat();
    const names = new Set(events.map(({ stream }) => stream));
    let failures = 1;
    if (names.size === 1 && isCounted) {
      for (const stream of names) {
        failures = (this.#failures.get(stream) ?? 0) + 1;
        this.#failures.set(stream, failures);
      }
    }
    const behind = this.#ready.filter(({ stream }) => names.has(stream));
    if (behind.length > 0) this.#ready = this.#ready.filter(({ stream }) => !names.has(stream));
    const dueAt = performance.now() + delayAfter(failures, this.#settings.retry);
    const retry: Retry = { events, behind, dueAt, isolated };
    for (const stream of names) this.#retries.set(stream, retry);
  }

  #sleep(now: number): void {
    clearTimeout(this.#timer);
    const wakes = this.#distinctRetries().map(({ dueAt }) => dueAt);
    if (this.#ready.length > 0) wakes.push(this.#readySince + this.#windowMs);
    if (wakes.length === 0) return;
    const wakeAt = Math.max(Math.min(...wakes), this.#pausedUntil);
    this.#timer = setTimeout(
      () => {
        this.#pump();
      },
      Math.max(1, wakeAt - now),
    );
  }

  #distinctRetries(): Retry[] {
    return this.#retries.size === 0 ? [] : [...new Set(this.#retries.values())];
  }
}

/**
 * Of a stream everything from the first failure on, as Lambda reads it for its own ordered sources: a function that reports
 * only the one event that failed must not have the events behind it acknowledged out of order.
 */
function failedOf(batch: readonly HeldEvent[], outcome: InvocationOutcome): ReadonlySet<HeldEvent> {
  if (outcome.outcome !== "answered") return new Set(batch);
  if (outcome.failed.size === 0) return new Set();
  const streams = new Set<string>();
  return new Set(
    batch.filter(({ item, stream }) => {
      if (outcome.failed.has(item)) streams.add(stream);
      return streams.has(stream);
    }),
  );
}

function groupByStream(events: readonly HeldEvent[]): HeldEvent[][] {
  const streams = new Map<string, HeldEvent[]>();
  for (const event of events) {
    const held = streams.get(event.stream);
    if (held === undefined) streams.set(event.stream, [event]);
    else held.push(event);
  }
  return [...streams.values()];
}
