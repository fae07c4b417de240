/** A query reads one generation, goes on in it page by page, and refuses cursors that are not its own. */
import { randomUUID } from "node:crypto";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { startOfAll } from "../../../engine/event-store/position.ts";
import { Catalog, type CatalogEntry, type Generation, type GenerationRole } from "../../../engine/views/catalog.ts";
import { Cursor, CursorError } from "../../../engine/views/cursor.ts";
import { ViewsUnavailableError } from "../../../engine/views/dynamodb.ts";
import { deleteGenerationTable } from "../../../engine/views/generation-table.ts";
import { applyEvents, type LiveWriter } from "../../../engine/views/live-writer.ts";
import type { Projection } from "../../../engine/views/projection.ts";
import { readerCacheMs, type RowQuery, ViewReader } from "../../../engine/views/view-reader.ts";
import {
  changed,
  closed,
  counted,
  createCatalogTable,
  type EventForTest,
  failing,
  faultyDynamoDB,
  owned,
  shared,
  timeout,
  useViews,
} from "./views-for-test.ts";

const views = useViews();

/** Accounts in one partition by id, and by owner in an index. */
const listed: Projection = {
  ...owned,
  name: "listed",
  rowOf: (id) => ({ partition: "all", sort: id }),
  indexes: [{ name: "by-owner", partition: "owner", sort: "rank" }],
};

class CountingCatalog extends Catalog {
  reads = 0;

  override read(projection: string): Promise<CatalogEntry> {
    this.reads += 1;
    return super.read(projection);
  }
}

const realNow = Date.now.bind(Date);
let ahead = 0;
let catalogTable: string;
let catalog: CountingCatalog;
let reader: ViewReader;

beforeEach(async () => {
  ahead = 0;
  vi.spyOn(Date, "now").mockImplementation(() => realNow() + ahead);
  catalogTable = await createCatalogTable(views.dynamodb);
  catalog = new CountingCatalog(views.dynamodb, catalogTable);
  reader = new ViewReader(views.dynamodb, catalog);
});

afterEach(() => vi.restoreAllMocks());

const anotherReader = (): ViewReader => new ViewReader(views.dynamodb, catalog);

interface Built {
  readonly id: string;
  readonly writer: LiveWriter;
}

const build = async (id: string, projection: Projection): Promise<Built> => ({
  id,
  writer: await views.writer(projection),
});

/** Events of one account, applied to a generation. */
async function apply({ writer }: Built, account: string, ...events: readonly EventForTest[]): Promise<void> {
  const { failures } = await applyEvents(writer, await views.append(`account-${account}`, events));
  expect(failures).toStrictEqual([]);
}

/** Makes the catalog name these generations, as the transitions of a replay do. */
async function declare(projection: Projection, ...generations: readonly (readonly [Built, GenerationRole])[]) {
  const named = generations.map(([{ id, writer }, role]): Generation => ({
    id,
    table: writer.generation.table,
    version: 1,
    role,
    from: startOfAll,
    declaredAt: "2026-01-01T00:00:00.000Z",
  }));
  const seen = await new Catalog(views.dynamodb, catalogTable).read(projection.name);
  await catalog.transition(seen, named);
}

const keyOf = (sort: string) => ({ partition: "all", sort });
const all: RowQuery = { partition: "all", limit: 2 };
const ofAda: RowQuery = { partition: "ada", index: { name: "by-owner", partition: "owner" }, limit: 2 };

const account = (rank: number, owner = "ada"): EventForTest => changed({ set: { owner, rank: `r${rank}` } });

/** Fresh accounts a < b < c ... of Ada in a generation. */
async function filled(built: Built, count: number, owner = "ada"): Promise<string[]> {
  const ids: string[] = [];
  const prefix = randomUUID();
  for (let rank = 0; rank < count; rank += 1) {
    const id = `${prefix}-${rank}`;
    ids.push(id);
    await apply(built, id, account(rank, owner));
  }
  return ids;
}

const ids = ({ rows }: Awaited<ReturnType<ViewReader["query"]>>): string[] => rows.map(({ key }) => key.sort);

const given = (cursor: string | undefined): string => {
  if (cursor === undefined) throw new Error("the page was expected to have a cursor");
  return cursor;
};

describe("without a live generation", () => {
  it.each<GenerationRole | "none">(["none", "building", "joined", "retiring"])(
    "a view is unavailable: %s",
    async (role) => {
      if (role !== "none") await declare(listed, [await build("g1", listed), role]);
      const error = new ViewsUnavailableError("view listed has no live generation yet: try again");
      expect(error.code).toBe("VIEWS_UNAVAILABLE");
      await expect(reader.get("listed", keyOf("a"))).rejects.toThrow(error);
      await expect(reader.query("listed", all)).rejects.toThrow(error);
    },
  );
});

describe("a row", () => {
  it("is read with its attributes and the revision of the stream that owns it, and nothing of the engine's", async () => {
    const g1 = await build("g1", listed);
    await declare(listed, [g1, "live"]);
    const id = randomUUID();
    await apply(g1, id, account(1), changed({ add: { sum: 5 } }));
    expect(await reader.get("listed", keyOf(id))).toStrictEqual({
      key: keyOf(id),
      attributes: { owner: "ada", rank: "r1", sum: 5 },
      revision: 1n,
      generation: "g1",
    });
  });

  it("that many streams touch has no revision, and its counter is not shown", async () => {
    const g1 = await build("g1", shared);
    await declare(shared, [g1, "live"]);
    await apply(g1, randomUUID(), counted({ a: 1, b: 2 }));
    await apply(g1, randomUUID(), counted({ a: 10 }));
    const a = { key: { partition: "totals", sort: "a" }, attributes: { sum: 11, events: 2 } };
    const b = { key: { partition: "totals", sort: "b" }, attributes: { sum: 2, events: 1 } };
    expect(await reader.get("shared", a.key)).toStrictEqual({ ...a, generation: "g1" });
    expect(await reader.query("shared", { partition: "totals", limit: 10 })).toStrictEqual({
      rows: [a, b],
      generation: "g1",
    });
    expect(await reader.query("shared", { partition: "totals", limit: 10, descending: true })).toStrictEqual({
      rows: [b, a],
      generation: "g1",
    });
  });

  it("that is not there is undefined", async () => {
    await declare(listed, [await build("g1", listed), "live"]);
    expect(await reader.get("listed", keyOf("missing"))).toBeUndefined();
    expect(await reader.query("listed", all)).toStrictEqual({ rows: [], generation: "g1" });
  });

  it("that is deleted is not shown, though its hidden item takes a place in the page", async () => {
    const g1 = await build("g1", listed);
    await declare(listed, [g1, "live"]);
    const [a = "", b = "", c = ""] = await filled(g1, 3);
    await apply(g1, a, closed);
    expect(await reader.get("listed", keyOf(a))).toBeUndefined();
    expect(ids(await reader.query("listed", ofAda))).toStrictEqual([b, c]);
    const first = await reader.query("listed", all);
    expect(ids(first)).toStrictEqual([b]);
    const second = await reader.query("listed", { ...all, cursor: given(first.cursor) });
    expect(ids(second)).toStrictEqual([c]);
  });
});

describe("a query", () => {
  it.each([
    ["the table", all],
    ["an index", ofAda],
  ])("gives pages of %s, each row once, in order, both ways, and ends without a cursor", async (_, query) => {
    const g1 = await build("g1", listed);
    await declare(listed, [g1, "live"]);
    const expected = await filled(g1, 5);
    for (const descending of [false, true]) {
      const pages: string[][] = [];
      let cursor: string | undefined;
      do {
        const page = await reader.query("listed", {
          ...query,
          descending,
          ...(cursor === undefined ? {} : { cursor }),
        });
        pages.push(ids(page));
        cursor = page.cursor;
      } while (cursor !== undefined);
      const [a, b, c, d, e] = descending ? expected.toReversed() : expected;
      expect(pages).toStrictEqual([[a, b], [c, d], [e]]);
    }
  });

  it.each([
    ["the table", all],
    ["an index", ofAda],
  ])(
    "of %s that goes on while rows come, change and go sees each that was there all the time once",
    async (_, query) => {
      const g1 = await build("g1", listed);
      await declare(listed, [g1, "live"]);
      const stays = await filled(g1, 4);
      for (const descending of [false, true]) {
        const seen: string[] = [];
        let cursor: string | undefined;
        do {
          const after = cursor === undefined ? {} : { cursor };
          const page = await reader.query("listed", { ...query, descending, ...after });
          seen.push(...ids(page));
          cursor = page.cursor;
          const last = seen.at(-1);
          // Right before and behind where the cursor stands, on pages that were read and on those to come.
          const arrivals = seen.length < 5 ? [...stays.entries()] : [];
          for (const [rank, id] of arrivals) await apply(g1, `${id}-${seen.length}`, account(rank));
          for (const id of stays) await apply(g1, id, changed({ add: { sum: 1 } }));
          // The row that the cursor stands at, if it is none of those that stay.
          if (last !== undefined && !stays.includes(last)) await apply(g1, last, closed);
        } while (cursor !== undefined);
        const expected = descending ? stays.toReversed() : stays;
        expect(seen.filter((id) => stays.includes(id))).toStrictEqual(expected);
        expect(new Set(seen).size).toBe(seen.length);
        expect(seen.length).toBeGreaterThan(stays.length);
      }
    },
  );

  it("of an index sees its partition only", async () => {
    const g1 = await build("g1", listed);
    await declare(listed, [g1, "live"]);
    const mine = await filled(g1, 1);
    await filled(g1, 1, "bob");
    expect(ids(await reader.query("listed", ofAda))).toStrictEqual(mine);
  });
});

describe("a cursor", () => {
  const firstPage = async () => {
    const g1 = await build("g1", listed);
    await declare(listed, [g1, "live"]);
    const accounts = await filled(g1, 3);
    await filled(g1, 3, "bob");
    const { cursor } = await reader.query("listed", ofAda);
    return { g1, accounts, cursor: given(cursor) };
  };

  const foreign = new CursorError(
    "the cursor is not from a page of this query: use one as it was given, or leave it out",
  );
  const former = new CursorError("the cursor is of a rebuilt view's former table: start again without a cursor");

  it("of another customer, another index, another view, the other order is refused", async () => {
    const { cursor } = await firstPage();
    await declare(owned, [await build("g1", owned), "live"]);
    expect(foreign.code).toBe("CURSOR_INVALID");
    await expect(reader.query("listed", { ...ofAda, partition: "bob", cursor })).rejects.toThrow(foreign);
    await expect(reader.query("listed", { partition: "ada", limit: 2, cursor })).rejects.toThrow(foreign);
    await expect(reader.query("owned", { ...ofAda, cursor })).rejects.toThrow(foreign);
    await expect(reader.query("listed", { ...ofAda, descending: true, cursor })).rejects.toThrow(foreign);
  });

  it.each([
    ["empty", () => ""],
    ["no base64", () => "%%%"],
    ["no JSON", () => Buffer.from("{").toString("base64url")],
    ["cut off", (text: string) => text.slice(0, -4)],
    ["with more than it had", (text: string) => edited(text, (json) => json.replace("{", '{"more":1,'))],
    [
      "with a key that is no text",
      (text: string) => edited(text, (json) => json.replaceAll('{"S":"ada"}', '{"N":"1"}')),
    ],
  ])("that is %s is refused", async (_, change) => {
    const { cursor } = await firstPage();
    await expect(reader.query("listed", { ...ofAda, cursor: change(cursor) })).rejects.toThrow(foreign);
  });

  it("whose key is not one of the query is refused as changed", async () => {
    const { cursor } = await firstPage();
    const changedKey = edited(cursor, (json) => json.replace(/"key":.*$/, '"key":{"pk":{"S":"all"}}}'));
    expect(changedKey).not.toBe(cursor);
    await expect(reader.query("listed", { ...ofAda, cursor: changedKey })).rejects.toThrow(
      new CursorError("the cursor was changed: use one as it was given, or leave it out"),
    );
  });

  it("goes on in the old generation while it soaks, though another one is live", async () => {
    const { g1, accounts, cursor } = await firstPage();
    const g2 = await build("g2", listed);
    const rebuilt = await filled(g2, 3);
    await declare(listed, [g1, "soaking"], [g2, "live"]);
    const fresh = anotherReader();
    expect(ids(await fresh.query("listed", ofAda))).toStrictEqual(rebuilt.slice(0, 2));
    expect(ids(await fresh.query("listed", { ...ofAda, cursor }))).toStrictEqual(accounts.slice(2));
  });

  it.each<GenerationRole | "gone">(["retiring", "building", "joined", "gone"])(
    "of a generation that is %s is refused",
    async (role) => {
      const { g1, cursor } = await firstPage();
      const g2 = await build("g2", listed);
      await declare(listed, ...(role === "gone" ? [] : [[g1, role] as const]), [g2, "live"]);
      await expect(anotherReader().query("listed", { ...ofAda, cursor })).rejects.toThrow(former);
    },
  );

  it("of a table that was removed after this reader looked is refused", async () => {
    const { g1, cursor } = await firstPage();
    await declare(listed, [g1, "retiring"], [await build("g2", listed), "live"]);
    await deleteGenerationTable(views.dynamodb, g1.writer.generation.table);
    await expect(reader.query("listed", { ...ofAda, cursor })).rejects.toThrow(former);
  });

  it("that another reader gave after a swap is good here, where the swap is not known yet", async () => {
    const { g1 } = await firstPage();
    const g2 = await build("g2", listed);
    const rebuilt = await filled(g2, 3);
    await declare(listed, [g1, "soaking"], [g2, "live"]);
    const { cursor } = await anotherReader().query("listed", ofAda);
    expect(ids(await reader.query("listed", { ...ofAda, cursor: given(cursor) }))).toStrictEqual(rebuilt.slice(2));
  });

  it("is the same after a trip through a client", () => {
    const scope = { projection: "listed", index: "by-owner", partition: "ada # ö", order: "asc" } as const;
    const cursor = new Cursor("g1", { pk: { S: "all" }, sk: { S: "1" } });
    expect(Cursor.parse(cursor.text(scope), scope)).toStrictEqual(cursor);
    expect(cursor.text(scope)).toMatch(/^[A-Za-z0-9_-]+$/);
  });
});

describe("which generation is live", () => {
  it("is asked once a second: a request that comes sooner after a swap reads the old generation", async () => {
    const [g1, g2] = [await build("g1", listed), await build("g2", listed)];
    await declare(listed, [g1, "live"]);
    const [old = ""] = await filled(g1, 1);
    const [rebuilt = ""] = await filled(g2, 1);
    const sees = async () => [
      (await reader.get("listed", keyOf(old))) !== undefined,
      (await reader.get("listed", keyOf(rebuilt))) !== undefined,
    ];
    expect(await sees()).toStrictEqual([true, false]);
    expect(catalog.reads).toBe(1);
    await declare(listed, [g1, "soaking"], [g2, "live"]);
    expect(await sees()).toStrictEqual([true, false]);
    expect(catalog.reads).toBe(1);
    ahead = readerCacheMs + 1;
    expect(await sees()).toStrictEqual([false, true]);
    expect(catalog.reads).toBe(2);
  });

  it("is asked again, once, when the table is gone", async () => {
    const [g1, g2] = [await build("g1", listed), await build("g2", listed)];
    await declare(listed, [g1, "live"]);
    const [rebuilt = ""] = await filled(g2, 1);
    await reader.get("listed", keyOf(rebuilt));
    await declare(listed, [g2, "live"]);
    await deleteGenerationTable(views.dynamodb, g1.writer.generation.table);
    expect(await reader.get("listed", keyOf(rebuilt))).toMatchObject({ key: keyOf(rebuilt) });
    expect(ids(await reader.query("listed", all))).toStrictEqual([rebuilt]);
    expect(catalog.reads).toBe(2);
  });

  it("fails after the second look, not in a loop, when the catalog names a table that is not there", async () => {
    const g1 = await build("g1", listed);
    await declare(listed, [g1, "live"]);
    await deleteGenerationTable(views.dynamodb, g1.writer.generation.table);
    await expect(reader.get("listed", keyOf("a"))).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    expect(catalog.reads).toBe(2);
  });
});

describe("without an answer of DynamoDB", () => {
  it.each([
    ["GetItemCommand", (unanswered: ViewReader) => unanswered.get("listed", keyOf("a"))],
    ["QueryCommand", (unanswered: ViewReader) => unanswered.query("listed", all)],
  ])("%s fails as unavailable", async (command, read) => {
    await declare(listed, [await build("g1", listed), "live"]);
    const dynamodb = faultyDynamoDB(command, failing(1, timeout));
    const unanswered = new ViewReader(dynamodb, catalog);
    await expect(read(unanswered)).rejects.toThrow(ViewsUnavailableError);
    await read(unanswered);
    dynamodb.destroy();
  });
});

function edited(cursor: string, change: (json: string) => string): string {
  return Buffer.from(change(Buffer.from(cursor, "base64url").toString())).toString("base64url");
}
