/** One worker writes at a time: a lease is held, renewed, lost and taken over, and no write is sent past its end. */
import { randomUUID } from "node:crypto";
import { setTimeout as sleep } from "node:timers/promises";
import { PutItemCommand } from "@aws-sdk/client-dynamodb";
import { beforeAll, describe, expect, it } from "vitest";
import { ReplayLostError } from "../../../engine/replay/errors.ts";
import { writeBatch } from "../../../engine/replay/batch-write.ts";
import { Lease, type LeaseScope, progressKey, readProgress } from "../../../engine/replay/lease.ts";
import { ViewsUnavailableError } from "../../../engine/views/dynamodb.ts";
import { createGenerationTable } from "../../../engine/views/generation-table.ts";
import { rowItemKey } from "../../../engine/views/item.ts";
import { rejection } from "../../local/eventstoredb/event-store-for-test.ts";
import {
  createCatalogTable,
  failing,
  faultyDynamoDB,
  losingTheFirstAnswer,
  newTable,
  owned,
  timeout,
} from "../views/views-for-test.ts";
import { healthyDynamoDB, interceptedDynamoDB, quick } from "./replay-for-test.ts";

const dynamodb = healthyDynamoDB();
let catalogTable: string;

beforeAll(async () => {
  catalogTable = await createCatalogTable(dynamodb);
  return () => dynamodb.destroy();
});

const scopeOf = (rest: Partial<LeaseScope> = {}, leaseMs = quick.leaseMs): LeaseScope => ({
  dynamodb,
  catalogTable,
  projection: "view",
  generation: randomUUID(),
  settings: { ...quick, leaseMs, lateWriteMs: 5_000 },
  isWanted: () => Promise.resolve(true),
  ...rest,
});

async function acquired(scope: LeaseScope): Promise<Lease> {
  const lease = await Lease.acquire(scope);
  if (lease instanceof Lease) return lease;
  throw new Error("The lease is held by somebody else.");
}

/** Stops the process as a frozen machine does: no timer fires meanwhile. */
const freeze = (ms: number): void => {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
};

describe("a lease", () => {
  it("goes to one of several that ask at once", async () => {
    const scope = scopeOf();
    const answers = await Promise.all([1, 2, 3, 4].map(() => Lease.acquire(scope)));
    const held = answers.filter((answer) => answer instanceof Lease);
    expect(held.length).toBe(1);
    await held[0]?.release();
  });

  it("goes to whoever asked, when the answer was lost and the client asked again", async () => {
    const lossy = faultyDynamoDB("UpdateItemCommand", losingTheFirstAnswer, "each-attempt");
    const lease = await acquired(scopeOf({ dynamodb: lossy }));
    lease.assertHeld();
    await lease.release();
    lossy.destroy();
  });

  it("that is released is free at once, and keeps checkpoint and quiet time", async () => {
    const scope = scopeOf();
    const first = await acquired(scope);
    expect([first.isFirst, first.checkpoint, first.quietAt]).toStrictEqual([true, undefined, 0]);
    await first.saveCheckpoint({ commit: 2n ** 60n, prepare: 7n });
    first.noteUncertainWrite();
    const { quietAt } = first;
    expect(quietAt).toBeGreaterThan(Date.now());
    await first.release();
    const second = await acquired(scope);
    expect([second.isFirst, second.checkpoint, second.quietAt]).toStrictEqual([
      false,
      { commit: 2n ** 60n, prepare: 7n },
      quietAt,
    ]);
    await second.release();
  });

  it("is renewed while its holder lives", async () => {
    const scope = scopeOf({}, 300);
    const lease = await acquired(scope);
    await sleep(700);
    lease.assertHeld();
    const other = await Lease.acquire(scope);
    expect(other).not.toBeInstanceOf(Lease);
    await lease.release();
  });

  it("that could not be renewed is lost, and a write that is under way is ended", async () => {
    const faulty = faultyDynamoDB("UpdateItemCommand", (call, send) =>
      call === 1 ? send() : Promise.reject(timeout()),
    );
    const lease = await acquired(scopeOf({ dynamodb: faulty }, 100));
    await sleep(200);
    expect(lease.signal.aborted).toBe(true);
    expect(() => lease.assertHeld()).toThrow(ReplayLostError);
    faulty.destroy();
  });

  it("is lost to a process that was frozen past its timers", async () => {
    const lease = await acquired(scopeOf({}, 200));
    freeze(250);
    expect(() => lease.assertHeld()).toThrow("its lease ran out before it could be renewed");
    expect(lease.signal.aborted).toBe(true);
  });

  it("is lost when the generation is no longer wanted", async () => {
    const lease = await acquired(scopeOf({ isWanted: () => Promise.resolve(false) }, 150));
    await sleep(120);
    expect(() => lease.assertHeld()).toThrow("the generation was aborted");
  });

  it("goes to another when it has run out; the old holder saves no checkpoint, and its writes are waited for", async () => {
    const scope = scopeOf({}, 150);
    const first = await acquired(scope);
    const { leaseUntil = 0 } = (await readProgress(scope)) ?? {};
    freeze(200);
    const second = await acquired(scope);
    // Not earlier than the last that was read of it; on a slow machine it was renewed once more before it froze.
    expect(second.quietAt).toBeGreaterThanOrEqual(leaseUntil + 5_000);
    expect(second.quietAt).toBeLessThanOrEqual(Date.now() + 5_000);
    const error = await rejection(first.saveCheckpoint({ commit: 1n, prepare: 1n }));
    expect(error).toBeInstanceOf(ReplayLostError);
    await first.release();
    second.assertHeld();
    expect((await readProgress(scope))?.checkpoint).toBeUndefined();
    await second.release();
  });

  it("that another has taken saves no checkpoint, whatever the clock says", async () => {
    const scope = scopeOf();
    const lease = await acquired(scope);
    const Item = { ...progressKey(scope), owner: { S: "other" }, leaseUntil: { N: "9999999999999" } };
    await dynamodb.send(new PutItemCommand({ TableName: catalogTable, Item }));
    await expect(lease.saveCheckpoint({ commit: 1n, prepare: 1n })).rejects.toThrow("another worker took it over");
    await lease.release();
    expect((await readProgress(scope))?.owner).toBe("other");
  });

  it("leaves nothing when it is discarded, unless another has it", async () => {
    const scope = scopeOf();
    const lease = await acquired(scope);
    const Item = { ...progressKey(scope), owner: { S: "other" } };
    await dynamodb.send(new PutItemCommand({ TableName: catalogTable, Item }));
    await lease.discard();
    expect((await readProgress(scope))?.owner).toBe("other");
    const mine = scopeOf();
    await (await acquired(mine)).discard();
    expect(await readProgress(mine)).toBeUndefined();
  });
});

describe("a batch of rows", () => {
  const items = Array.from({ length: 25 }, (_, index) => rowItemKey({ partition: `p${index}`, sort: "s" }));
  const held = { signal: new AbortController().signal, assertHeld: () => undefined };
  let table: string;

  beforeAll(async () => {
    table = newTable();
    await createGenerationTable(dynamodb, table, owned);
  });

  it("is not sent again by the client itself past the lease, and was uncertain from its first failure", async () => {
    let attempts = 0;
    const throttled = faultyDynamoDB(
      "BatchWriteItemCommand",
      () => {
        attempts += 1;
        return Promise.reject(Object.assign(new Error("slow down"), { name: "ThrottlingException" }));
      },
      "each-attempt",
    );
    const lost = new ReplayLostError("gone");
    let uncertain = 0;
    const lease = {
      ...held,
      assertHeld: () => {
        if (attempts > 0) throw lost;
      },
      noteUncertainWrite: () => void (uncertain += 1),
    };
    expect(
      await rejection(
        writeBatch(
          throttled,
          table,
          items.map((key) => ({ ...key })),
          lease,
        ),
      ),
    ).toBe(lost);
    expect([attempts, uncertain]).toStrictEqual([1, 1]);
    throttled.destroy();
  });

  it("that the client had to send twice is uncertain: the first copy may land late", async () => {
    let uncertain = 0;
    const lossy = faultyDynamoDB("BatchWriteItemCommand", losingTheFirstAnswer, "each-attempt");
    await writeBatch(
      lossy,
      table,
      items.map((key) => ({ ...key })),
      { ...held, noteUncertainWrite: () => void (uncertain += 1) },
    );
    expect(uncertain).toBe(1);
    await writeBatch(
      dynamodb,
      table,
      items.map((key) => ({ ...key })),
      { ...held, noteUncertainWrite: () => void (uncertain += 1) },
    );
    expect(uncertain).toBe(1);
    lossy.destroy();
  });

  it("is given up when DynamoDB never takes it, with what was wrong", async () => {
    const down = faultyDynamoDB("BatchWriteItemCommand", failing(1_000, timeout));
    const controller = new AbortController();
    controller.abort();
    // The pauses end at once: only the number of tries counts.
    const lease = { ...held, signal: controller.signal, noteUncertainWrite: () => undefined };
    await expect(
      writeBatch(
        down,
        table,
        items.map((key) => ({ ...key })),
        lease,
      ),
    ).rejects.toThrow(ViewsUnavailableError);
    const wrong = interceptedDynamoDB((_, send) => send());
    await expect(
      writeBatch(
        wrong,
        "no-such-table",
        items.map((key) => ({ ...key })),
        { ...held, noteUncertainWrite: () => undefined },
      ),
    ).rejects.toThrow(expect.objectContaining({ name: "ResourceNotFoundException" }) as Error);
    down.destroy();
    wrong.destroy();
  });
});
