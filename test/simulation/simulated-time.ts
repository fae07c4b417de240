/**
 * Time that a history runs by: a clock that stands still until everything has been done that can be done at once, and then
 * jumps to the next timer. While it is installed it stands for every source of time and chance that a process has, so the
 * same seed gives the same run, and a wait costs nothing.
 *
 * Only what goes on outside of the process cannot be simulated so: whoever reads a file or a socket meanwhile ends the
 * repeatability.
 */
import crypto from "node:crypto";
import { syncBuiltinESMExports } from "node:module";
import timersPromises from "node:timers/promises";
import { type Random, seededRandom } from "../local/eventstoredb/seeded-random.ts";

const realSetImmediate = globalThis.setImmediate;
const realClearTimeout = globalThis.clearTimeout;
const RealDate = globalThis.Date;

type Work = (...given: unknown[]) => void;

/** Stands for NodeJS.Timeout and NodeJS.Immediate. */
class Timer {
  at: number;
  sequence: number;
  isActive = true;
  readonly #time: SimulatedTime;
  readonly #delayMs: number;
  readonly #work: () => void;
  readonly #repeats: boolean;

  constructor(time: SimulatedTime, delayMs: number, work: () => void, repeats: boolean) {
    this.#time = time;
    this.#delayMs = delayMs;
    this.#work = work;
    this.#repeats = repeats;
    this.at = time.now + delayMs;
    this.sequence = time.enqueue(this);
  }

  run(): void {
    this.isActive = false;
    if (this.#repeats) this.refresh();
    this.#work();
  }

  refresh(): this {
    // What still stands in the queue under its former time is passed over there.
    this.isActive = true;
    this.at = this.#time.now + this.#delayMs;
    this.sequence = this.#time.enqueue(this);
    return this;
  }

  clear(): void {
    this.isActive = false;
  }

  ref(): this {
    return this;
  }

  unref(): this {
    return this;
  }

  hasRef(): boolean {
    return true;
  }
}

interface Entry {
  readonly timer: Timer;
  readonly at: number;
  readonly sequence: number;
}

export class SimulatedTime {
  /** Milliseconds since the epoch. */
  now: number;
  readonly #startedAt: number;
  readonly #random: Random;
  /** A binary heap, the next one first. */
  readonly #queue: Entry[] = [];
  #sequence = 0;
  #undo: (() => void)[] = [];
  /** What a timer's work threw: nobody else would hear of it. */
  readonly errors: unknown[] = [];

  constructor(seed: number, startsAt = RealDate.UTC(2026, 0, 5)) {
    this.now = startsAt;
    this.#startedAt = startsAt;
    this.#random = seededRandom(seed);
  }

  get elapsedMs(): number {
    return this.now - this.#startedAt;
  }

  /** Takes the place of all clocks, timers and chance of this process, until {@link uninstall}. */
  install(): void {
    const set = (delayMs: unknown, work: () => void, repeats = false): Timer =>
      new Timer(this, Math.max(1, Math.trunc(Number(delayMs)) || 0), work, repeats);
    const clear = (timer: unknown): void => {
      if (timer instanceof Timer) timer.clear();
      else if (timer !== undefined && timer !== null) realClearTimeout(timer as NodeJS.Timeout);
    };
    const immediately = (work: () => void): Timer => new Timer(this, 0, work, false);
    const nowMs = (): number => this.now;
    const time = {
      setTimeout: (work: Work, ms?: number, ...given: unknown[]) => set(ms, () => work(...given)),
      setInterval: (work: Work, ms?: number, ...given: unknown[]) => set(ms, () => work(...given), true),
      setImmediate: (work: Work, ...given: unknown[]) => immediately(() => work(...given)),
      clearTimeout: clear,
      clearInterval: clear,
      clearImmediate: clear,
      Date: class extends RealDate {
        constructor(...given: [] | ConstructorParameters<DateConstructor>) {
          if (given.length === 0) super(nowMs());
          else super(...given);
        }
        static override now(): number {
          return nowMs();
        }
        static override [Symbol.hasInstance](value: unknown): boolean {
          return value instanceof RealDate;
        }
      },
    };
    for (const [name, value] of Object.entries(time)) this.#replace(globalThis, name, value);
    // Thousands of injected errors: their stacks would be half of what they cost, and nobody reads them.
    this.#replace(Error, "stackTraceLimit", 4);
    this.#replace(performance, "now", () => this.elapsedMs);
    this.#replace(Math, "random", () => this.#random.next());
    this.#replace(AbortSignal, "timeout", (ms: number) => {
      const controller = new AbortController();
      const expired = (): void => controller.abort(new DOMException("it took too long", "TimeoutError"));
      set(ms, expired);
      return controller.signal;
    });
    this.#replace(crypto, "randomUUID", () => this.#uuid());
    this.#replace(timersPromises, "setTimeout", (ms: number, value: unknown, options?: { signal?: AbortSignal }) =>
      sleeping(value, options?.signal, (wake) => set(ms, wake)),
    );
    this.#replace(timersPromises, "setImmediate", (value: unknown, options?: { signal?: AbortSignal }) =>
      sleeping(value, options?.signal, immediately),
    );
    syncBuiltinESMExports();
  }

  uninstall(): void {
    for (const undo of this.#undo.splice(0).reverse()) undo();
    syncBuiltinESMExports();
  }

  /**
   * Lets time go on until `isOver` says so ("over"), nothing is left to be waited for ("idle"), or the clock passes `untilMs`
   * since the start ("late").
   */
  async run(isOver: () => boolean, untilMs: number): Promise<"over" | "idle" | "late"> {
    for (;;) {
      await everythingAtOnce();
      if (isOver()) return "over";
      const entry = this.#next();
      if (entry === undefined) return "idle";
      if (entry.at - this.#startedAt > untilMs) {
        this.enqueue(entry.timer);
        return "late";
      }
      this.now = Math.max(this.now, entry.at);
      try {
        entry.timer.run();
      } catch (error) {
        this.errors.push(error);
      }
    }
  }

  /** Internal to timers: puts one in its place, and says under which number. */
  enqueue(timer: Timer): number {
    this.#sequence += 1;
    const queue = this.#queue;
    let index = queue.length;
    const entry: Entry = { timer, at: timer.at, sequence: this.#sequence };
    queue.push(entry);
    timer.sequence = entry.sequence;
    while (index > 0) {
      const parent = (index - 1) >> 1;
      const above = queue[parent];
      if (above === undefined || !isBefore(entry, above)) break;
      queue[index] = above;
      index = parent;
    }
    queue[index] = entry;
    return entry.sequence;
  }

  #next(): Entry | undefined {
    for (;;) {
      const entry = this.#pop();
      if (entry === undefined) return undefined;
      if (entry.timer.isActive && entry.timer.sequence === entry.sequence) return entry;
    }
  }

  #pop(): Entry | undefined {
    const queue = this.#queue;
    const [first] = queue;
    const last = queue.pop();
    if (first === undefined || last === undefined || queue.length === 0) return first;
    let index = 0;
    for (;;) {
      let child = 2 * index + 1;
      const [left, right] = [queue[child], queue[child + 1]];
      if (left === undefined) break;
      let least = left;
      if (right !== undefined && isBefore(right, left)) {
        least = right;
        child += 1;
      }
      if (!isBefore(least, last)) break;
      queue[index] = least;
      index = child;
    }
    queue[index] = last;
    return first;
  }

  #uuid(): string {
    const digits = (count: number): string =>
      Array.from({ length: count }, () => Math.floor(this.#random.next() * 16).toString(16)).join("");
    return `${digits(8)}-${digits(4)}-4${digits(3)}-8${digits(3)}-${digits(12)}`;
  }

  #replace(target: object, name: string, value: unknown): void {
    const before = Object.getOwnPropertyDescriptor(target, name);
    Object.defineProperty(target, name, { value, configurable: true, writable: true, enumerable: true });
    this.#undo.push(() => {
      if (before === undefined) Reflect.deleteProperty(target, name);
      else Object.defineProperty(target, name, before);
    });
  }
}

const isBefore = (one: Entry, other: Entry): boolean =>
  one.at < other.at || (one.at === other.at && one.sequence < other.sequence);

/** The real event loop comes round only when no promise and no tick has anything left to do. */
const everythingAtOnce = (): Promise<void> => new Promise((resolve) => realSetImmediate(resolve));

function sleeping(
  value: unknown,
  signal: AbortSignal | undefined,
  start: (wake: () => void) => Timer,
): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const given = (): void => {
      timer?.clear();
      reject(new DOMException("The operation was aborted", "AbortError"));
    };
    let timer: Timer | undefined;
    if (signal?.aborted === true) given();
    else {
      signal?.addEventListener("abort", given, { once: true });
      timer = start(() => {
        signal?.removeEventListener("abort", given);
        resolve(value);
      });
    }
  });
}
