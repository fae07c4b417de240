/** Why a row is what it is: told from the events alone, event by event, and the row that readers see is held against it. */
import { describe, expect, it } from "vitest";
import { explainRow, type Explanation } from "../../../engine/consistency/explain.ts";
import { RowNotFoundError } from "../../../engine/consistency/row-name.ts";
import { judgeRow } from "../../../engine/consistency/judge-row.ts";
import type { Position } from "../../../engine/event-store/position.ts";
import type { Decision } from "../../../engine/quarantine/decisions.ts";
import { useStores } from "./stores-for-views.ts";
import {
  closed,
  moved,
  opened,
  purposeKey,
  unlisted,
  unreadable,
  type ViewUnderCheck,
  walletKey,
} from "./view-under-check.ts";

const stores = useStores();

async function explained(
  view: ViewUnderCheck,
  asked: string,
  options: { readonly until?: Position; readonly decisions?: readonly Decision[] } = {},
): Promise<Explanation> {
  const { store: eventStore, projection } = view;
  return explainRow({ eventStore, projection, generation: await view.live(), decisions: [], asked, ...options });
}

/** What a person looks at first. */
const shown = (view: ViewUnderCheck, { events }: Explanation) =>
  events.map(({ stream, revision, type, outcome, changes }) => [
    `${revision.toString()}@${stream.replace(view.streamOf(""), "")} ${type}`,
    outcome,
    ...changes.map(
      ({ attribute, before, after }) => `${attribute}: ${JSON.stringify(before)} -> ${JSON.stringify(after)}`,
    ),
  ]);

const judged = async (view: ViewUnderCheck, key: Parameters<typeof judgeRow>[1]) =>
  judgeRow(
    { dynamodb: view.dynamodb, eventStore: view.store, projection: view.projection, generation: await view.live() },
    key,
  );

describe("a row of one stream is explained", () => {
  it("by its stream's events in their order, to the end of the row and its beginning anew", async () => {
    const view = await stores.view("one-per-stream");
    await view.append("w1", opened, moved(5), unlisted, moved(-2));
    await view.append("w2", opened, moved(100));
    await view.append("w1", closed, opened);
    await view.deliver();
    const explanation = await explained(view, "w1");
    expect(shown(view, explanation)).toStrictEqual([
      ["0@w1 Opened", "counted", 'owner: undefined -> "ada"', 'tags: undefined -> ["new",{"since":0}]'],
      ["1@w1 Moved", "counted", "balance: undefined -> 5", 'tags: ["new",{"since":0}] -> undefined'],
      ["3@w1 Moved", "counted", "balance: 5 -> 3"],
      ["4@w1 Closed", "counted", "balance: 3 -> undefined", 'owner: "ada" -> undefined'],
      ["5@w1 Opened", "counted", 'owner: undefined -> "ada"', 'tags: undefined -> ["new",{"since":0}]'],
    ]);
    expect(explanation).toMatchObject({ key: walletKey("w1"), row: { owner: "ada" }, unreadable: [] });
    expect(await judged(view, walletKey("w1"))).toStrictEqual({ outcome: "agrees" });
  });

  it("up to an event that cannot be applied: what follows in its stream waits", async () => {
    const view = await stores.view("one-per-stream");
    await view.append("w1", opened, unreadable, moved(5));
    const explanation = await explained(view, "w1");
    expect(shown(view, explanation).map(([event, outcome]) => [event, outcome])).toStrictEqual([
      ["0@w1 Opened", "counted"],
      ["2@w1 Moved", "waiting"],
    ]);
    expect(explanation.unreadable).toMatchObject([{ stream: view.streamOf("w1"), revision: 1n }]);
    expect(explanation.row).toMatchObject({ owner: "ada" });
    expect(explanation.row).not.toHaveProperty("balance");
  });
});

describe("a row of many streams is explained", () => {
  const filled = async (): Promise<ViewUnderCheck> => {
    const view = await stores.view("shared");
    await view.append("w1", opened, moved(5), moved(-2, "rent"));
    await view.append("w2", opened, moved(10));
    await view.append("w1", moved(1));
    await view.deliver();
    return view;
  };

  it("by the events of all of them in the order of the log, each with what it added", async () => {
    const view = await filled();
    const explanation = await explained(view, "purposes / food");
    expect(shown(view, explanation)).toStrictEqual([
      ["1@w1 Moved", "counted", "amount: undefined -> 5", "moves: undefined -> 1"],
      ["1@w2 Moved", "counted", "amount: 5 -> 15", "moves: 1 -> 2"],
      ["3@w1 Moved", "counted", "amount: 15 -> 16", "moves: 2 -> 3"],
    ]);
    expect(explanation.row).toStrictEqual({ moves: 3, amount: 16 });
    expect(await judged(view, purposeKey("food"))).toStrictEqual({ outcome: "agrees" });
  });

  it("as it was at any position, also one between two events", async () => {
    const view = await filled();
    const [, second] = (await explained(view, "food")).events;
    if (second === undefined) throw new Error("there is no second event");
    const { commit, prepare } = second.position;
    expect((await explained(view, "food", { until: second.position })).row).toStrictEqual({ moves: 2, amount: 15 });
    const before = { commit: commit - 1n, prepare: prepare - 1n };
    expect((await explained(view, "food", { until: before })).row).toStrictEqual({ moves: 1, amount: 5 });
    const after = { commit: commit + 1n, prepare: prepare + 1n };
    expect((await explained(view, "food", { until: after })).row).toStrictEqual({ moves: 2, amount: 15 });
  });

  it("without what was discarded, which it names with the reason", async () => {
    const view = await filled();
    const discarded: Decision = {
      subject: view.projection.name,
      stream: view.streamOf("w2"),
      revision: 1n,
      reason: "typed in twice",
      decidedAt: "2026-01-01T00:00:00.000Z",
      lastError: "none",
    };
    const explanation = await explained(view, "food", { decisions: [discarded] });
    expect(explanation.events[1]).toMatchObject({ outcome: "discarded", reason: "typed in twice", changes: [] });
    expect(explanation.row).toStrictEqual({ moves: 2, amount: 6 });
  });

  it("without what lies before the generation's offset, which it names too", async () => {
    const view = await filled();
    const from = (await view.guardAt("w2", 1n)).position;
    await view.goLive("g2", from);
    await view.deliver();
    const explanation = await explained(view, "food");
    expect(explanation.events.map(({ outcome }) => outcome)).toStrictEqual(["before-offset", "counted", "counted"]);
    expect(explanation.row).toStrictEqual({ moves: 2, amount: 11 });
    expect(await judged(view, purposeKey("food"))).toStrictEqual({ outcome: "agrees" });
  });

  it("and the row that readers see is held against it: one that was damaged is told with both", async () => {
    const view = await filled();
    await view.damageRow(purposeKey("food"), "amount", 999);
    expect(await judged(view, purposeKey("food"))).toMatchObject({
      outcome: "differs",
      difference: { kind: "row-differs", expected: { moves: 3, amount: 16 }, actual: { moves: 3, amount: 999 } },
    });
  });

  it("only when it is one: a name of none and a name of several are refused, with what would be right", async () => {
    const view = await filled();
    await expect(explained(view, "clothes")).rejects.toThrow(
      new RowNotFoundError(
        "ROW_NOT_FOUND",
        'no event touches a row "clothes": give its partition, its sort key, or both as partition / sort',
      ),
    );
    await expect(explained(view, "purposes")).rejects.toThrow(
      new RowNotFoundError("ROW_AMBIGUOUS", '"purposes" names 2 rows, give one: "purposes / food", "purposes / rent"'),
    );
  });
});
