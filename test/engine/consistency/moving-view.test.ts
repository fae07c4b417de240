/** Checks while writers keep writing: schedules by chance, from seeds, so that one that fails can be had again. */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { useStores } from "./stores-for-views.ts";
import {
  closed,
  type Kind,
  moved,
  opened,
  purposeKey,
  unlisted,
  type ViewUnderCheck,
  walletKey,
} from "./view-under-check.ts";

const stores = useStores();
const checksOfEachKind = 12;
const checksOfOneView = 5;
/** Mostly waiting for servers that other tests keep busy as well. */
const timeoutMs = 120_000;

type Random = () => number;

/** Mulberry32: numbers from 0 to 1, the same for the same seed. */
function seeded(seed: number): Random {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let bits = Math.imul(state ^ (state >>> 15), 1 | state);
    bits = (bits + Math.imul(bits ^ (bits >>> 7), 61 | bits)) ^ bits;
    return ((bits ^ (bits >>> 14)) >>> 0) / 4_294_967_296;
  };
}

const upTo = (random: Random, count: number): number => Math.floor(random() * count);

/** Appends to old and new streams, and delivers late, twice, out of order and by several at once, until it is stopped. */
class Traffic {
  readonly #view: ViewUnderCheck;
  readonly #random: Random;
  #wallets = 0;
  #appends = 0;
  /** So many events of the view are known to be in it. */
  #delivered = 0;
  #isOver = false;

  constructor(view: ViewUnderCheck, random: Random) {
    this.#view = view;
    this.#random = random;
  }

  get appends(): number {
    return this.#appends;
  }

  /** Runs while `work` does. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#isOver = false;
    const traffic = Promise.all([this.#append(), this.#deliver(), this.#deliver()]);
    try {
      return await work();
    } finally {
      this.#isOver = true;
      await traffic;
      // Now and then the next run begins with a view at rest.
      if (this.#random() < 0.7) await this.#settle();
    }
  }

  async #settle(): Promise<void> {
    const events = await this.#view.events();
    await this.#view.deliver(events.slice(this.#delivered));
    this.#delivered = Math.max(this.#delivered, events.length);
  }

  async #append(): Promise<void> {
    while (!this.#isOver) {
      const isNew = this.#wallets === 0 || this.#random() < 0.4;
      const id = `w${isNew ? this.#wallets++ : upTo(this.#random, this.#wallets)}`;
      // Most touch one hot row; now and then a row is new.
      const purpose = this.#random() < 0.8 ? "food" : `p${upTo(this.#random, 30)}`;
      const events = [opened, moved(upTo(this.#random, 100) - 50, purpose), unlisted, closed];
      await this.#view.append(id, ...events.filter((_, index) => index === 1 || this.#random() < 0.3));
      this.#appends += 1;
      await sleep(this.#random() * 8);
    }
  }

  async #deliver(): Promise<void> {
    while (!this.#isOver) {
      const events = await this.#view.events();
      // What one round leaves out, a later one brings.
      if (this.#random() < 0.3) await this.#settle();
      else await this.#view.deliver(events.slice(-(1 + upTo(this.#random, 8))).sort(() => this.#random() - 0.5));
      await sleep(this.#random() * 10);
    }
  }
}

const kinds: readonly Kind[] = ["one-per-stream", "shared"];

describe.each(kinds)("checks of a moving view of rows that are %s", (kind) => {
  it(
    `give no false alarm in ${checksOfEachKind} runs`,
    async () => {
      const wrong: object[] = [];
      let appends = 0;
      let waits = 0;
      for (let seed = 1; seed <= checksOfEachKind / checksOfOneView; seed += 1) {
        const view = await stores.view(kind);
        const traffic = new Traffic(view, seeded(seed));
        for (let check = 0; check < checksOfOneView; check += 1) {
          const options = { waitForGuardsMs: 20_000, onWaiting: () => (waits += 1) };
          const report = await traffic.during(() => view.check(options));
          if (report.differenceCount + report.undecidedCount > 0) wrong.push({ seed, check, ...report });
        }
        appends += traffic.appends;
      }
      expect(wrong).toStrictEqual([]);
      expect(appends).toBeGreaterThan(checksOfEachKind);
      expect(waits).toBeGreaterThan(0);
    },
    timeoutMs,
  );

  it(
    "find the one damaged row, and no other",
    async () => {
      const view = await stores.view(kind);
      const traffic = new Traffic(view, seeded(7));
      await view.append("quiet", opened, moved(1, "quiet"));
      await traffic.during(() => sleep(50));
      const key = kind === "shared" ? purposeKey("food") : walletKey("quiet");
      await view.damageRow(key, "extra", 1);
      for (let check = 0; check < 2; check += 1) {
        const { differences, undecidedCount } = await traffic.during(() => view.check({ waitForGuardsMs: 20_000 }));
        expect([differences.map((difference) => difference.kind), undecidedCount]).toStrictEqual([["row-differs"], 0]);
        expect(differences).toMatchObject([{ key, actual: { extra: 1 } }]);
      }
    },
    timeoutMs,
  );
});
