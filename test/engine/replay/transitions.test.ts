/** The table of transitions: from which role each is taken, what it leaves, what it checks, and that one of two wins. */
import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { startOfAll } from "../../../engine/event-store/position.ts";
import {
  transit,
  type TransitionName,
  type TransitionRecord,
  TransitionRefusedError,
  transitions,
} from "../../../engine/replay/transitions.ts";
import {
  Catalog,
  CatalogConflictError,
  type CatalogEntry,
  type Generation,
  type GenerationRole,
  generationRoles,
} from "../../../engine/views/catalog.ts";
import { rejection } from "../../local/eventstoredb/event-store-for-test.ts";
import { createCatalogTable, owned } from "../views/views-for-test.ts";
import { healthyDynamoDB } from "./replay-for-test.ts";

const dynamodb = healthyDynamoDB();
let table: string;
let catalog: Catalog;

beforeAll(async () => {
  table = await createCatalogTable(dynamodb);
  catalog = new Catalog(dynamodb, table);
  return () => dynamodb.destroy();
});

const roles = generationRoles;
const names = Object.keys(transitions) as TransitionName[];

/** One that every check lets pass. */
const generation = (id: string, role: GenerationRole, rest: Partial<Generation> = {}): Generation => ({
  id,
  table: `table-${id}`,
  version: 1,
  role,
  from: startOfAll,
  declaredAt: "2026-01-01T00:00:00.000Z",
  worker: "me",
  verifiedTo: startOfAll,
  reportedAt: "2026-01-01T00:00:00.000Z",
  sealedTo: startOfAll,
  // A view as of a position ends there, and no other does.
  ...(role === "frozen" ? { until: startOfAll } : {}),
  ...rest,
});

/** A view with these generations. */
async function viewOf(...generations: readonly Generation[]): Promise<string> {
  const view = `view-${randomUUID()}`;
  await catalog.transition(await catalog.read(view), generations);
  return view;
}

const take = (view: string, id: string, name: TransitionName, record: TransitionRecord = { worker: "me" }) =>
  transit({ catalog, view, versions: [pinned] }, id, name, record);

const pinned = { ...owned, fingerprints: ["new", "of the same rows"] };

/**
 * What becomes of a generation `g`, beside one that is live and one that soaks (unless it is that itself): its role and
 * theirs after the transition, "done" where nothing is left to do; where it is refused, nothing.
 */
const matrix: Readonly<Record<TransitionName, Readonly<Partial<Record<GenerationRole | "gone", string>>>>> = {
  claim: { building: "building live soaking" },
  verified: { building: "building live soaking" },
  join: { building: "joined live soaking", joined: "done" },
  freeze: { building: "refused: it has no end", frozen: "done" },
  sealed: { joined: "joined live soaking", soaking: "soaking live" },
  block: { joined: "joined live soaking", soaking: "soaking live" },
  passed: { joined: "joined live soaking", soaking: "soaking live" },
  "kept-up": { joined: "joined live soaking", soaking: "soaking live" },
  pause: { building: "building live soaking", joined: "joined live soaking", soaking: "soaking live" },
  resume: { building: "building live soaking", joined: "joined live soaking", soaking: "soaking live" },
  swap: { joined: "live soaking retiring", live: "done" },
  rollback: { live: "done", soaking: "live soaking" },
  retire: { soaking: "retiring live", frozen: "retiring live soaking", retiring: "done" },
  abort: { building: "retiring live soaking", joined: "retiring live soaking", retiring: "done" },
  discontinue: Object.fromEntries([
    ...(["building", "joined", "live", "soaking", "frozen"] as const).map((role) => [
      role,
      "refused: its projection is",
    ]),
    ["retiring", "done"],
  ]) as Partial<Record<GenerationRole, string>>,
  drop: { retiring: "live soaking", gone: "done" },
};

describe.each(names)("the transition %s", (name) => {
  it.each([...roles, "gone"] as const)("of a generation that is %s", async (role) => {
    const others = (["live", "soaking"] as const)
      .filter((other) => other !== role)
      .map((other) => generation(other, other));
    const view = await viewOf(...(role === "gone" ? [] : [generation("g", role)]), ...others);
    const before = await catalog.read(view);
    const outcome = await take(view, "g", name).catch((error: unknown) => error);
    const after = await catalog.read(view);
    const expected = matrix[name][role];
    if (expected === undefined) {
      expect(outcome).toBeInstanceOf(TransitionRefusedError);
      expect((outcome as Error).message).toBe(
        `${name} of generation g of ${view} is refused: ` +
          (role === "gone"
            ? "there is no such generation (any more)"
            : `it is ${role}, not ${transitions[name].from.join(" or ")}`),
      );
      expect(after).toStrictEqual(before);
    } else if (expected.startsWith("refused: ")) {
      expect((outcome as Error).message).toContain(expected.slice("refused: ".length));
      expect(after).toStrictEqual(before);
    } else if (expected === "done") {
      expect([outcome, after]).toStrictEqual([before, before]);
    } else {
      expect(outcome).toStrictEqual(after);
      expect(after.epoch).toBe(before.epoch + 1);
      expect(after.generations.map((left) => left.role).join(" ")).toBe(expected);
    }
  });
});

describe("a check", () => {
  const refusals: readonly [TransitionName, Partial<Generation>, string][] = [
    ["join", { verifiedTo: undefined } as object, "it was not compared with the events"],
    ["swap", { verifiedTo: undefined } as object, "it was not compared with the events"],
    ["rollback", { verifiedTo: undefined } as object, "it was not compared with the events"],
    ["swap", { sealedTo: undefined } as object, "events between its back-fill and its join may be missing"],
    ["rollback", { sealedTo: undefined } as object, "events between its back-fill and its join may be missing"],
    ["join", { reportedAt: undefined } as object, "there is no report of how it compares: verify it"],
    ["swap", { reportedAt: undefined } as object, "there is no report of how it compares: verify it"],
    ["rollback", { reportedAt: undefined } as object, "there is no report of how it compares: verify it"],
    ["swap", { behind: true }, "events may be missing that went past it: resume it"],
    ["rollback", { behind: true }, "events may be missing that went past it: resume it"],
    ...(["claim", "verified", "join", "sealed", "swap", "rollback"] as const).map(
      (name): [TransitionName, Partial<Generation>, string] => [
        name,
        { paused: "for lunch" },
        "it is paused: for lunch",
      ],
    ),
    ["join", { until: startOfAll }, "it ends at a position, and a live view goes on"],
    ["freeze", {}, "it has no end: what is written on is not frozen"],
    ["freeze", { until: startOfAll, worker: "other" }, "another worker has taken its replay over"],
    ["swap", { blocked: "no luck" }, "it is blocked: no luck"],
    ["rollback", { blocked: "no luck" }, "it is blocked: no luck"],
    ["verified", { worker: "other" }, "another worker has taken its replay over"],
    ["join", { worker: "other" }, "another worker has taken its replay over"],
    ...(["claim", "verified", "join", "sealed", "resume", "swap", "rollback"] as const).flatMap(
      (name): [TransitionName, Partial<Generation>, string][] => [
        [name, { version: 7 }, "it is made by version 7, which is not deployed"],
        [
          name,
          { fingerprint: "old" },
          "it is made by version 1 as it was at fingerprint old, and what is deployed as version 1 is changed code (new)",
        ],
      ],
    ),
  ];

  it.each(refusals)("refuses %s of one with %o: %s", async (name, rest, why) => {
    const [role = "building"] = transitions[name].from;
    const view = await viewOf(generation("g", role, rest));
    const before = await catalog.read(view);
    const refused = new TransitionRefusedError(`${name} of generation g of ${view} is refused: ${why}`);
    expect(await rejection(take(view, "g", name))).toStrictEqual(refused);
    expect(await catalog.read(view)).toStrictEqual(before);
  });

  it("is named beside the others that refuse", async () => {
    const view = await viewOf(generation("g", "joined", { blocked: "no luck", version: 7 }));
    await expect(take(view, "g", "swap")).rejects.toThrow(
      "is refused: it is blocked: no luck; it is made by version 7, which is not deployed",
    );
  });

  it("takes code for the same that is said to give the same rows", async () => {
    const view = await viewOf(
      generation("g", "joined", { fingerprint: "of the same rows" }),
      generation("live", "live"),
    );
    await take(view, "g", "swap");
    expect((await catalog.read(view)).generations.map(({ role }) => role)).toStrictEqual(["live", "soaking"]);
  });

  it.each(["block", "passed", "pause", "retire", "abort", "drop"] as const)(
    "keeps nobody from %s of what can never be live",
    async (name) => {
      const [role = "building"] = transitions[name].from;
      const view = await viewOf(generation("g", role, { blocked: "no luck", version: 7, worker: "other" }));
      await take(view, "g", name, {});
      expect((await catalog.read(view)).epoch).toBe(2);
    },
  );
});

describe("a transition", () => {
  it("writes down what it is given, and nothing else of the generation", async () => {
    const before = generation("g", "building");
    const view = await viewOf(before);
    const verifiedTo = { commit: 2n ** 60n, prepare: 1n };
    await take(view, "g", "verified", { worker: "me", verifiedTo });
    expect((await catalog.read(view)).generations).toStrictEqual([{ ...before, verifiedTo }]);
  });

  it("discontinues what no deployed code makes any more", async () => {
    const view = await viewOf(generation("g", "live"));
    await transit({ catalog, view, versions: [] }, "g", "discontinue");
    expect((await catalog.read(view)).generations).toMatchObject([{ id: "g", role: "retiring" }]);
  });

  it("freezes a view as of a position where it is verified", async () => {
    const view = await viewOf(generation("g", "building", { until: startOfAll }));
    await take(view, "g", "freeze");
    expect((await catalog.read(view)).generations).toMatchObject([{ id: "g", role: "frozen" }]);
  });

  it("takes back what no longer holds: a pause when it is resumed, and what it missed when its seam is closed", async () => {
    const before = generation("g", "soaking");
    const view = await viewOf(before);
    await take(view, "g", "pause", { paused: "for lunch", pausedBy: "operator", behind: true });
    expect((await catalog.read(view)).generations).toStrictEqual([
      { ...before, paused: "for lunch", pausedBy: "operator", behind: true, pauses: 1 },
    ]);
    await take(view, "g", "resume", {});
    expect((await catalog.read(view)).generations).toStrictEqual([{ ...before, behind: true, pauses: 1 }]);
    await take(view, "g", "sealed", { sealedTo: startOfAll, pauses: 1 });
    expect((await catalog.read(view)).generations).toStrictEqual([{ ...before, pauses: 1 }]);
  });

  it("of one that has kept up is taken by who passed it, unless somebody else has since", async () => {
    const before = generation("g", "joined");
    const view = await viewOf(before);
    await take(view, "g", "passed", { behind: true });
    await take(view, "g", "kept-up", { pauses: 1 });
    expect((await catalog.read(view)).generations).toStrictEqual([{ ...before, pauses: 1 }]);
    await take(view, "g", "passed", { behind: true });
    await take(view, "g", "passed", { behind: true });
    await expect(take(view, "g", "kept-up", { pauses: 2 })).rejects.toThrow("it was paused, or passed, since");
    expect((await catalog.read(view)).generations).toStrictEqual([{ ...before, behind: true, pauses: 3 }]);
  });

  it("that projectors take again and again does not fill up the history", async () => {
    const view = await viewOf(generation("g", "joined"));
    const noted = async () => ((await catalog.read(view)).history ?? []).map(({ transition }) => transition);
    const before = await noted();
    await take(view, "g", "passed", { behind: true });
    await take(view, "g", "kept-up", { pauses: 1 });
    await take(view, "g", "block", { blocked: "no luck" });
    await take(view, "g", "block", { blocked: "no luck either" });
    expect(await noted()).toStrictEqual([...before, "block"]);
  });

  it("of a seam is refused to who took its tail before a pause, or an earlier one than somebody else", async () => {
    const view = await viewOf(generation("g", "joined"));
    await take(view, "g", "pause", { paused: "for lunch", pausedBy: "operator", behind: true });
    await take(view, "g", "resume", {});
    await expect(take(view, "g", "sealed", { sealedTo: startOfAll })).rejects.toThrow(
      "it was paused, or passed, since its tail was taken",
    );
    const later = { commit: 9n, prepare: 9n };
    await take(view, "g", "sealed", { sealedTo: later, pauses: 1 });
    await expect(take(view, "g", "sealed", { sealedTo: startOfAll, pauses: 1 })).rejects.toThrow(
      "it is closed to a later position already",
    );
    expect((await catalog.read(view)).generations[0]?.sealedTo).toStrictEqual(later);
  });

  it("to live says until when the generation before it is kept, which a rollback forgets", async () => {
    const view = await viewOf(generation("g", "joined", { soakHours: 2 }), generation("live", "live"));
    const earliest = Date.now() + 2 * 3_600_000;
    await take(view, "g", "swap");
    const soaking = (await catalog.read(view)).generations.find(({ role }) => role === "soaking");
    expect(Date.parse(soaking?.soakUntil ?? "") - earliest).toBeGreaterThanOrEqual(0);
    expect(Date.parse(soaking?.soakUntil ?? "") - Date.now()).toBeLessThanOrEqual(2 * 3_600_000);
    await take(view, "live", "rollback", {});
    expect((await catalog.read(view)).generations.every(({ soakUntil }) => soakUntil === undefined)).toBe(true);
  });

  it.each(["swap then abort", "abort then swap"])("that comes second decides anew: %s", async (order) => {
    const view = await viewOf(generation("g", "joined"), generation("live", "live"));
    const [first, second]: readonly TransitionName[] =
      order === "swap then abort" ? ["swap", "abort"] : ["abort", "swap"];
    if (first === undefined || second === undefined) throw new Error("There are two.");
    let reads = 0;
    class Overtaken extends Catalog {
      override async read(projection: string): Promise<CatalogEntry> {
        const entry = await super.read(projection);
        if ((reads += 1) === 1) await take(view, "g", first ?? "swap");
        return entry;
      }
    }
    const late = transit({ catalog: new Overtaken(dynamodb, table), view, versions: [owned] }, "g", second);
    await expect(late).rejects.toThrow(`it is ${first === "swap" ? "live" : "retiring"}, not`);
    expect(reads).toBe(2);
    expect((await catalog.read(view)).epoch).toBe(2);
  });

  it("that many take at once is taken once, and all are told of the same outcome", async () => {
    const view = await viewOf(generation("g", "joined"), generation("live", "live"));
    const outcomes = await Promise.all(Array.from({ length: 8 }, () => take(view, "g", "swap")));
    const after = await catalog.read(view);
    expect(after.epoch).toBe(2);
    for (const outcome of outcomes) expect(outcome).toStrictEqual(after);
  });

  it("that is overtaken again and again gives up", async () => {
    const view = await viewOf(generation("g", "building"));
    class Restless extends Catalog {
      override async read(projection: string): Promise<CatalogEntry> {
        const entry = await super.read(projection);
        await super.transition(entry, entry.generations);
        return entry;
      }
    }
    const late = transit({ catalog: new Restless(dynamodb, table), view, versions: [owned] }, "g", "claim");
    await expect(late).rejects.toThrow(CatalogConflictError);
  });
});
