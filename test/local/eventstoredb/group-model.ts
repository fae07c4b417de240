/**
 * A persistent subscription engine on a simulated log with a simulated clock, beside a model that knows from the outside
 * what must be in flight, how often each message came back, and what is owed. Every delivery, checkpoint and parked
 * message is held against the model at the moment it happens.
 */
import { GroupEngine, type HistoryEntry } from "../../../local/eventstoredb/persistent-subscriptions/engine.ts";
import type { IncomingEvent, Message } from "../../../local/eventstoredb/persistent-subscriptions/message.ts";
import type { GroupSettings } from "../../../local/eventstoredb/persistent-subscriptions/settings.ts";

interface Recorded {
  readonly event: IncomingEvent<string>;
  readonly matches: boolean;
}

interface Held {
  readonly consumer: string;
  readonly since: number;
}

const mustHold = (holds: boolean, what: string): void => {
  if (!holds) throw new Error(what);
};

/** Positions have gaps, as in a real log. */
const gap = 7n;

export class GroupModel {
  readonly log: Recorded[] = [];
  readonly deliveries: string[] = [];
  now = 0;
  readonly #settings: GroupSettings;
  #engine: GroupEngine<string>;
  #readingPaused = false;
  /** What a crash leaves. */
  #writtenCheckpoint: bigint | undefined;
  #checkpointBefore: bigint | undefined;
  readonly #parkedOnDisk: string[] = [];
  #parkedEver = 0;
  /** Events at and after this position are owed. */
  #owedFrom: bigint;
  /** Acknowledged, skipped or parked on disk, ever. */
  readonly #done = new Set<string>();

  // Since the last crash:
  #resumedAfter: bigint | undefined;
  readonly #consumers = new Map<string, number>();
  readonly #held = new Map<string, Held>();
  readonly #retryCounts = new Map<string, number>();
  readonly #settled = new Set<string>();
  readonly #parking = new Map<string, { readonly reason: string; message: Message<string> | undefined }>();
  #replayIsAcknowledged = false;

  constructor(settings: GroupSettings, historyLength: number) {
    this.#settings = settings;
    for (let count = 0; count < historyLength; count += 1) this.#record("x", true);
    this.#owedFrom = settings.startFrom === "end" ? this.#end : settings.startFrom;
    this.#engine = this.#start();
  }

  get consumers(): ReadonlyMap<string, number> {
    return this.#consumers;
  }

  get heldIds(): readonly string[] {
    return [...this.#held.keys()];
  }

  get deliveredIds(): readonly string[] {
    return this.deliveries;
  }

  get owed(): readonly string[] {
    return this.log
      .filter(({ event, matches }) => matches && event.position >= this.#owedFrom && !this.#done.has(event.id))
      .map(({ event }) => event.id);
  }

  get isLive(): boolean {
    return this.#engine.statistics.isLive;
  }

  append(source: string, matches: boolean): void {
    const { event } = this.#record(source, matches);
    if (matches) this.#engine.liveEvent(event, this.now);
    else this.#engine.liveSkipped(event.position, this.now);
    this.#after();
  }

  connect(id: string, bufferSize: number): void {
    if (this.#consumers.has(id)) return;
    this.#consumers.set(id, bufferSize);
    const deliver = (payload: string, retryCount: number): void => this.#delivered(id, payload, retryCount);
    this.#engine.addConsumer({ id, bufferSize, deliver }, this.now);
    this.#after();
  }

  disconnect(id: string): void {
    if (!this.#consumers.delete(id)) return;
    for (const [message, { consumer }] of this.#held) {
      if (consumer === id) this.#comesBack(message);
    }
    this.#engine.removeConsumer(id, this.now);
    this.#after();
  }

  /** Of what is in flight; of anything else it has no effect. */
  ack(id: string): void {
    this.#replayIsAcknowledged = isReplay(id);
    this.#settles(id);
    this.#engine.ack([id], this.now);
    this.#replayIsAcknowledged = false;
    this.#after();
  }

  nack(id: string, action: "retry" | "unknown" | "park" | "skip" | "stop"): void {
    if (this.#held.has(id)) {
      if (action === "park") this.#isGivenUp(id, "Client explicitly NAK'ed message.\nwhy");
      else if (action === "retry" || action === "unknown") this.#isRetried(id);
      else this.#settles(id);
    }
    this.#engine.nack([id], action, "why", this.now);
    this.#after();
  }

  /** Time passes without a tick. */
  wait(milliseconds: number): void {
    this.now += milliseconds;
  }

  tick(): void {
    for (const [id, { since }] of this.#held) {
      if (since + this.#settings.messageTimeout <= this.now) this.#isRetried(id);
    }
    this.#engine.tick(this.now);
    this.#after();
  }

  /** The disk has done its work on all messages that are being parked, or failed. */
  finishParking(outcome: "written" | "failed"): void {
    for (const [id, { message }] of [...this.#parking]) {
      if (message === undefined) continue;
      this.#parking.delete(id);
      if (outcome === "written") {
        this.#settled.add(id);
        this.#done.add(id);
        this.#parkedOnDisk.push(`replay-${(this.#parkedEver += 1)}`);
        this.#engine.parked(message, this.now);
      } else this.#engine.parkFailed(message, this.now);
    }
    this.#after();
  }

  replayParked(): void {
    for (const id of this.#parkedOnDisk.splice(0)) {
      this.#engine.replay({ id, revision: BigInt(id.slice("replay-".length)), source: "x", payload: id }, this.now);
    }
    this.#after();
  }

  pauseReading(): void {
    this.#readingPaused = true;
  }

  resumeReading(): void {
    this.#readingPaused = false;
    this.#after();
  }

  /** What is only in memory is gone, and the last checkpoint with it if its write had not ended. */
  crash(losesLastCheckpoint: boolean): void {
    if (losesLastCheckpoint) this.#writtenCheckpoint = this.#checkpointBefore;
    this.#checkpointBefore = this.#writtenCheckpoint;
    this.#consumers.clear();
    this.#held.clear();
    this.#retryCounts.clear();
    this.#settled.clear();
    this.#parking.clear();
    // As on the real server, a group from the end that never wrote a checkpoint begins at the end once more.
    if (this.#writtenCheckpoint === undefined && this.#settings.startFrom === "end") this.#owedFrom = this.#end;
    this.deliveries.push("crash");
    this.#engine = this.#start();
  }

  get #end(): bigint {
    return BigInt(this.log.length) * gap;
  }

  #record(source: string, matches: boolean): Recorded {
    const revision = BigInt(this.log.length);
    const id = `event-${revision}`;
    const recorded = { event: { id, position: this.#end, revision, source, payload: id }, matches };
    this.log.push(recorded);
    return recorded;
  }

  #start(): GroupEngine<string> {
    this.#resumedAfter = this.#writtenCheckpoint;
    const engine = new GroupEngine<string>(this.#settings, this.#writtenCheckpoint, {
      checkpoint: (position) => this.#checkpointed(position),
      park: (message, reason) => this.#isParking(message, reason),
    });
    this.#pull(engine);
    return engine;
  }

  /** Answers history requests as the log does, a page at a time. */
  #pull(engine: GroupEngine<string>): void {
    for (let request = engine.historyRequest(); request !== undefined; request = engine.historyRequest()) {
      if (this.#readingPaused) return;
      const from = (request.from ?? 0n) + (request.exclusive ? 1n : 0n);
      const first = Number((from + gap - 1n) / gap);
      const page = this.log.slice(first, first + request.count);
      const isEnd = first + page.length >= this.log.length;
      const events = page.filter(({ matches }) => matches);
      const entries: HistoryEntry<string>[] = events.map(({ event }) => ({ kind: "event", event }));
      const [skipped] = page;
      if (events.length === 0 && skipped !== undefined) {
        entries.push({ kind: "skipped", position: skipped.event.position, count: page.length });
      }
      const last = page.at(-1)?.event.position;
      engine.historyRead(entries, last === undefined ? from : last + 1n, isEnd, this.now);
      if (isEnd && !engine.statistics.isLive) return;
    }
  }

  #after(): void {
    this.#pull(this.#engine);
    const inFlight = new Map<string, string>();
    for (const consumer of this.#engine.consumers) {
      for (const { id } of consumer.inFlight) inFlight.set(id, consumer.connection.id);
    }
    for (const [id, { consumer }] of this.#held) {
      mustHold(inFlight.get(id) === consumer, `${id} is with ${consumer}, not with ${inFlight.get(id)}`);
    }
    const { totalInFlight, outstanding } = this.#engine.statistics;
    mustHold(inFlight.size === this.#held.size, `in flight are ${this.#held.size}, not ${inFlight.size}`);
    mustHold(totalInFlight === this.#held.size, `in flight are ${this.#held.size}, counted ${totalInFlight}`);
    mustHold(outstanding === this.#held.size, `outstanding are ${this.#held.size}, counted ${outstanding}`);
    for (const [id, { message }] of this.#parking) mustHold(message !== undefined, `${id} was to be parked`);
  }

  #delivered(consumer: string, id: string, retryCount: number): void {
    if (!isReplay(id)) {
      const { event, matches } = this.log[Number(id.slice("event-".length))] ?? {};
      mustHold(matches === true, `${id} is sent though the filter leaves it out`);
      const isPast =
        event === undefined || event.position < this.#owedFrom || event.position <= (this.#resumedAfter ?? -1n);
      mustHold(!isPast, `${id} is sent, which lies before the start or the checkpoint`);
    }
    const taken = [...this.#held.values()].filter((held) => held.consumer === consumer).length;
    mustHold(taken < (this.#consumers.get(consumer) ?? 0), `${consumer} is sent ${id} beyond its buffer`);
    mustHold(!this.#held.has(id), `${id} is sent while it is in flight`);
    mustHold(!this.#settled.has(id), `${id} is sent though it is done with`);
    mustHold(!this.#parking.has(id), `${id} is sent while it is being parked`);
    const expected = this.#retryCounts.get(id) ?? 0;
    mustHold(retryCount === expected, `${id} is sent as retry ${retryCount} instead of ${expected}`);
    this.#held.set(id, { consumer, since: this.now });
    this.deliveries.push(id);
  }

  #checkpointed(position: bigint): void {
    const before = this.#writtenCheckpoint;
    mustHold(before === undefined || position > before, `the checkpoint goes from ${before} to ${position}`);
    mustHold(!this.#replayIsAcknowledged, "a replayed message moves the checkpoint");
    for (const { event, matches } of this.log) {
      if (event.position > position) break;
      const isOwed = matches && event.position >= this.#owedFrom && !this.#done.has(event.id);
      mustHold(!isOwed, `the checkpoint ${position} passes ${event.id}`);
    }
    this.#checkpointBefore = before;
    this.#writtenCheckpoint = position;
  }

  #settles(id: string): void {
    if (!this.#held.delete(id)) return;
    this.#settled.add(id);
    this.#done.add(id);
  }

  #comesBack(id: string): void {
    this.#held.delete(id);
    this.#retryCounts.set(id, (this.#retryCounts.get(id) ?? 0) + 1);
  }

  #isRetried(id: string): void {
    const { maxRetryCount } = this.#settings;
    if ((this.#retryCounts.get(id) ?? 0) < maxRetryCount) this.#comesBack(id);
    else this.#isGivenUp(id, `Reached retry count of ${maxRetryCount}`);
  }

  #isGivenUp(id: string, reason: string): void {
    this.#held.delete(id);
    this.#parking.set(id, { reason, message: undefined });
  }

  #isParking(message: Message<string>, reason: string): void {
    const expected = this.#parking.get(message.id);
    mustHold(expected?.reason === reason, `${message.id} is parked with "${reason}" instead of "${expected?.reason}"`);
    if (expected !== undefined) expected.message = message;
  }
}

export const isReplay = (id: string): boolean => id.startsWith("replay-");
