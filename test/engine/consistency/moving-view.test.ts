/**
 * Checks while writers keep writing: schedules by chance, from seeds. One that fails prints its seed, and is run again, and alone,
 * by `TIDEMARK_SEED`. Among them are hot rows that are written all the time, events of types that the views do not list, and
 * generations that are back-filled, joined, swapped and retired beside the check. A thousand runs are part of the proof.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import type { CheckOptions } from "../../../engine/consistency/generation-check.ts";
import type { GenerationRole } from "../../../engine/views/catalog.ts";
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
const isProof = process.env["TIDEMARK_PROOF"] !== undefined;
const checksOfEachKind = isProof ? 500 : 10;
const checksOfOneView = 5;
const seedAsked = process.env["TIDEMARK_SEED"];
const seeds =
  seedAsked === undefined
    ? Array.from({ length: checksOfEachKind / checksOfOneView }, (_, index) => index + 1)
    : [Number(seedAsked)];
/** Mostly waiting for servers that other tests keep busy as well. */
const timeoutMs = isProof ? 3_600_000 : 120_000;

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
  readonly #replays: boolean;
  #wallets = 0;
  #appends = 0;
  /** So many events of the view are known to be in it. */
  #delivered = 0;
  #isOver = false;
  #generations = 1;
  #hasRetired = false;
  /** What has happened to generations beside the live one. */
  readonly transitions = new Set<GenerationRole>();

  /** `replays`: whether generations come and go. */
  constructor(view: ViewUnderCheck, random: Random, replays: boolean) {
    this.#view = view;
    this.#random = random;
    this.#replays = replays;
  }

  get appends(): number {
    return this.#appends;
  }

  /** Runs while `work` does. */
  async during<Result>(work: () => Promise<Result>): Promise<Result> {
    this.#isOver = false;
    this.#hasRetired = false;
    const traffic = Promise.all([this.#append(), this.#deliver(), this.#deliver(), this.#replay()]);
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

  /** What a replay does beside: one step after the other, from nothing to a generation that readers see. */
  async #replay(): Promise<void> {
    while (this.#replays && !this.#isOver) {
      await sleep(this.#random() * 60);
      if (this.#random() < 0.5) await this.#nextTransition();
    }
  }

  async #nextTransition(): Promise<void> {
    const view = this.#view;
    const other = (await view.entry()).generations.find(({ role }) => role !== "live");
    const as = (role: GenerationRole, ofLive: GenerationRole = "live"): Promise<void> =>
      view.transition((all) => all.map((one) => ({ ...one, role: one.role === "live" ? ofLive : role })));
    switch (other?.role) {
      case undefined: {
        const declared = await view.declared(`g${(this.#generations += 1)}`);
        await view.transition((all) => [...all, declared]);
        break;
      }
      case "building":
        await view.fill(other, await view.events());
        await as("joined");
        break;
      case "joined":
        // The seam: what was delivered to the old picture alone.
        await view.fill(other, await view.events());
        await as("live", "soaking");
        break;
      case "soaking":
      case "retiring":
        // Once in a check: one that meets a retirement in each of three rounds gives up.
        if (this.#hasRetired || this.#random() < 0.7) return;
        this.#hasRetired = true;
        await view.transition((all) => all.filter(({ role }) => role === "live"));
        break;
      case "frozen":
      case "live":
        throw new Error(`no generation beside the live one is ${other.role} here`);
    }
    this.transitions.add(other?.role ?? "building");
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

/** Mostly of all rows, also where next to none fits in memory; else of some, or of one, which may be the hot one. */
function rowsAsked(kind: Kind, random: Random): Pick<CheckOptions, "only" | "heldInMemory"> {
  if (random() < 0.4) return {};
  if (random() < 0.3) return { heldInMemory: 2 };
  if (random() < 0.5) return { only: { sample: 2 + upTo(random, 20), seed: `${random()}` } };
  const row = kind === "shared" ? (random() < 0.7 ? "food" : "p1") : `w${upTo(random, 4)}`;
  return { only: { row, mayBeGone: true } };
}

describe.each(kinds)("checks of a moving view of rows that are %s", (kind) => {
  it(
    `give no false alarm in ${seeds.length * checksOfOneView} runs`,
    async () => {
      const wrong: object[] = [];
      const transitions = new Set<GenerationRole>();
      let appends = 0;
      let waits = 0;
      for (const seed of seeds) {
        await stores.beginLog();
        const view = await stores.view(kind);
        const random = seeded(seed);
        const traffic = new Traffic(view, random, true);
        for (let check = 0; check < checksOfOneView; check += 1) {
          const only = rowsAsked(kind, random);
          const options = { ...only, waitForGuardsMs: 10_000, onWaiting: () => (waits += 1) };
          try {
            const report = await traffic.during(() => view.check(options));
            if (report.differenceCount + report.undecidedCount > 0) wrong.push({ seed, check, ...report });
          } catch (error) {
            wrong.push({ seed, check, options, error });
          }
        }
        if (isProof) process.stdout.write(`seed ${seed} of ${seeds.length}: ${wrong.length} went wrong so far\n`);
        appends += traffic.appends;
        for (const role of traffic.transitions) transitions.add(role);
      }
      expect(wrong).toStrictEqual([]);
      expect(appends).toBeGreaterThan(seeds.length * checksOfOneView);
      expect(waits).toBeGreaterThan(0);
      if (isProof) expect([...transitions].sort()).toStrictEqual(["building", "joined", "soaking"]);
    },
    timeoutMs,
  );

  it(
    "find the one damaged row, and no other",
    async () => {
      const view = await stores.view(kind);
      const traffic = new Traffic(view, seeded(7), false);
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
