/** The catalog moves by conditional transitions only, and says which generations are written and in what order. */
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import { randomUUID } from "node:crypto";
import { beforeAll, describe, expect, it } from "vitest";
import { startOfAll } from "../../../engine/event-store/position.ts";
import {
  Catalog,
  CatalogConflictError,
  catalogKey,
  type Generation,
  type GenerationRole,
  liveGeneration,
  writtenGenerations,
} from "../../../engine/views/catalog.ts";
import { ViewsUnavailableError } from "../../../engine/views/dynamodb.ts";
import {
  createCatalogTable,
  failing,
  faultyDynamoDB,
  losingTheFirstAnswer,
  timeout,
  useViews,
} from "./views-for-test.ts";

const views = useViews();
let table: string;
let catalog: Catalog;

beforeAll(async () => {
  table = await createCatalogTable(views.dynamodb);
  catalog = new Catalog(views.dynamodb, table);
});

const newView = (): string => `view-${randomUUID()}`;

const generation = (id: string, role: GenerationRole = "live", rest: Partial<Generation> = {}): Generation => ({
  id,
  table: `table-${id}`,
  version: 1,
  role,
  from: startOfAll,
  declaredAt: "2026-01-01T00:00:00.000Z",
  ...rest,
});

const conflict = (view: string, epoch: number): CatalogConflictError =>
  new CatalogConflictError(`${view} is no longer at epoch ${epoch}: another transition came first`);

describe("the catalog entry of a view", () => {
  it("is empty and at epoch 0 before the first transition", async () => {
    const view = newView();
    expect(await catalog.read(view)).toStrictEqual({ projection: view, epoch: 0, generations: [] });
  });

  it("comes back as it was written, positions beyond JSON's numbers included", async () => {
    const view = newView();
    const generations = [
      generation("g2", "joined", {
        version: 2,
        from: { commit: 2n ** 63n - 1n, prepare: 2n ** 53n + 1n },
        verifiedTo: { commit: 9_007_199_254_740_993n, prepare: 12n },
        sealedTo: { commit: 0n, prepare: 0n },
        blocked: "event 3@order-1 cannot be applied",
      }),
      generation("g1"),
      generation("g0", "retiring"),
    ];
    const written = await catalog.transition(await catalog.read(view), generations);
    expect(written).toStrictEqual({ projection: view, epoch: 1, generations });
    expect(await catalog.read(view)).toStrictEqual({ projection: view, epoch: 1, generations });
  });

  it("counts transitions, and drops what a transition leaves out", async () => {
    const view = newView();
    const first = await catalog.transition(await catalog.read(view), [generation("g1", "building", { blocked: "x" })]);
    const second = await catalog.transition(first, [generation("g1")]);
    expect(second.epoch).toBe(2);
    expect(await catalog.read(view)).toStrictEqual({ projection: view, epoch: 2, generations: [generation("g1")] });
  });

  it("belongs to one view", async () => {
    const [one, other] = [newView(), newView()];
    await catalog.transition(await catalog.read(one), [generation("g1")]);
    expect(await catalog.read(other)).toStrictEqual({ projection: other, epoch: 0, generations: [] });
  });

  it("is refused, not guessed, when it holds what no transition wrote", async () => {
    const view = newView();
    const Item = { ...catalogKey(view), projection: { S: view }, epoch: { N: "1" }, generations: { S: "none" } };
    await views.dynamodb.send(new PutItemCommand({ TableName: table, Item }));
    await expect(catalog.read(view)).rejects.toThrow("generations");
  });
});

describe("of two transitions from one epoch", () => {
  it.each([0, 1, 2])("the second is a conflict at epoch %d, and changes nothing", async (epoch) => {
    const view = newView();
    let seen = await catalog.read(view);
    while (seen.epoch < epoch) seen = await catalog.transition(seen, []);
    await catalog.transition(seen, [generation("first")]);
    await expect(catalog.transition(seen, [generation("second")])).rejects.toThrow(conflict(view, epoch));
    expect(await catalog.read(view)).toStrictEqual({
      projection: view,
      epoch: epoch + 1,
      generations: [generation("first")],
    });
  });

  it("one wins when they race", async () => {
    const view = newView();
    const seen = await catalog.read(view);
    const outcomes = await Promise.allSettled(
      ["a", "b", "c", "d"].map((id) => catalog.transition(seen, [generation(id)])),
    );
    const won = outcomes.filter(({ status }) => status === "fulfilled");
    expect(won.length).toBe(1);
    for (const outcome of outcomes) {
      if (outcome.status === "rejected") expect(outcome.reason).toStrictEqual(conflict(view, 0));
      else expect(await catalog.read(view)).toStrictEqual(outcome.value);
    }
  });

  it("one from an epoch that is yet to come is a conflict too", async () => {
    const view = newView();
    await expect(catalog.transition({ projection: view, epoch: 3, generations: [] }, [])).rejects.toThrow(
      conflict(view, 3),
    );
    expect(await catalog.read(view)).toStrictEqual({ projection: view, epoch: 0, generations: [] });
  });
});

describe("a transition whose answer is lost", () => {
  it("is a conflict when the client sent it again, and reading anew shows that it took effect", async () => {
    const view = newView();
    const dynamodb = faultyDynamoDB("PutItemCommand", losingTheFirstAnswer, "each-attempt");
    const lossy = new Catalog(dynamodb, table);
    await expect(lossy.transition(await lossy.read(view), [generation("g1")])).rejects.toThrow(conflict(view, 0));
    expect(await lossy.read(view)).toStrictEqual({ projection: view, epoch: 1, generations: [generation("g1")] });
    dynamodb.destroy();
  });

  it("says that views are unavailable when nobody can know", async () => {
    const view = newView();
    const dynamodb = faultyDynamoDB("PutItemCommand", losingTheFirstAnswer);
    const lossy = new Catalog(dynamodb, table);
    await expect(lossy.transition(await lossy.read(view), [generation("g1")])).rejects.toThrow(ViewsUnavailableError);
    expect((await lossy.read(view)).epoch).toBe(1);
    dynamodb.destroy();
  });

  it("and a read without an answer says so too", async () => {
    const dynamodb = faultyDynamoDB("GetItemCommand", failing(1, timeout));
    await expect(new Catalog(dynamodb, table).read(newView())).rejects.toThrow(ViewsUnavailableError);
    dynamodb.destroy();
  });
});

describe("the generations of an entry", () => {
  const entry = (...generations: readonly Generation[]) => ({ projection: "view", epoch: 1, generations });

  it("are written if joined, soaking or live; the live one last, whatever their order", () => {
    const [live, soaking, joined] = [generation("l"), generation("s", "soaking"), generation("j", "joined")];
    const others = [generation("b", "building"), generation("r", "retiring")];
    expect(writtenGenerations(entry(live, soaking, joined, ...others))).toStrictEqual([soaking, joined, live]);
    expect(writtenGenerations(entry(...others, joined, live))).toStrictEqual([joined, live]);
    expect(writtenGenerations(entry(...others))).toStrictEqual([]);
  });

  it("are not written once they are blocked, except the live one", () => {
    const blocked = { blocked: "event 3@order-1 cannot be applied" };
    const live = generation("l", "live", blocked);
    const rest = [generation("s", "soaking", blocked), generation("j", "joined", blocked)];
    expect(writtenGenerations(entry(live, ...rest))).toStrictEqual([live]);
  });

  it("have one that is live, or none", () => {
    const live = generation("l");
    expect(liveGeneration(entry(generation("s", "soaking"), live))).toStrictEqual(live);
    expect(liveGeneration(entry(generation("j", "joined")))).toBeUndefined();
    expect(liveGeneration(entry())).toBeUndefined();
  });
});
