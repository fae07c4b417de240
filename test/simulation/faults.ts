/** Which calls go wrong, and how: chosen by the seed, call by call. */
import type { Random } from "../local/eventstoredb/seeded-random.ts";

/** Every kind of fault that a history may meet; a run of many histories must have met each. */
export const faultKinds = [
  "crash before the call",
  "crash after the effect",
  "dynamodb error",
  "dynamodb error after the effect",
  "dynamodb time-out after the effect",
  "dynamodb late effect",
  "dynamodb throttled",
  "transaction conflict",
  "transaction throttled",
  "unprocessed items",
  "short page",
  "outage of dynamodb",
  "store error",
  "store silent",
  "read cut off",
  "end not told",
  "not the leader",
  "append without an answer",
  "outage of the store",
  "group not asked",
  "event duplicated",
  "event delayed",
  "event overtaken",
  "event dropped for good",
  "event lost on its way",
  "ack lost",
  "connection lost",
  "half-open connection",
  "function throttled",
  "function not reached",
  "invocation twice",
  "answer lost",
  "answer never comes",
  "malformed answer",
  "first failures only",
] as const;

export type FaultKind = (typeof faultKinds)[number];

export class Faults {
  readonly #random: Random;
  readonly #note: (what: string) => void;
  /** 0: none; 1: as many as a history may have. */
  readonly #intensity: number;
  readonly met = new Map<FaultKind, number>();
  #areOn = false;

  constructor(random: Random, intensity: number, note: (what: string) => void) {
    this.#random = random;
    this.#intensity = intensity;
    this.#note = note;
  }

  begin(): void {
    this.#areOn = true;
  }

  /** From now on nothing goes wrong any more. */
  end(): void {
    this.#areOn = false;
  }

  get areOn(): boolean {
    return this.#areOn;
  }

  /** Whether it happens to this call, at most as often as `probability` says. */
  happens(kind: FaultKind, probability: number, where: string): boolean {
    if (!this.#areOn || this.#random.next() >= probability * this.#intensity) return false;
    this.note(kind, where);
    return true;
  }

  /** One of several that exclude each other; undefined: none. */
  oneOf<Kind extends FaultKind>(kinds: Readonly<Partial<Record<Kind, number>>>, where: string): Kind | undefined {
    if (!this.#areOn) return undefined;
    let left = this.#random.next();
    for (const kind of faultKinds) {
      const probability = (kinds as Readonly<Partial<Record<FaultKind, number>>>)[kind];
      if (probability === undefined) continue;
      left -= probability * this.#intensity;
      if (left >= 0) continue;
      this.note(kind, where);
      // `kind` is a key of `kinds`.
      return kind as Kind;
    }
    return undefined;
  }

  note(kind: FaultKind, where: string): void {
    this.met.set(kind, (this.met.get(kind) ?? 0) + 1);
    this.#note(`! ${kind}: ${where}`);
  }

  /** Milliseconds from `low` to `high`: latencies are a choice of the seed too, and go on when faults are over. */
  ms(low: number, high: number): number {
    return this.#random.between(low, high);
  }

  between(low: number, high: number): number {
    return this.#random.between(low, high);
  }
}
