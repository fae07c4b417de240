/** The races between a check and those who write, each made to happen at its worst moment. */
import { BatchGetItemCommand, type DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { describe, expect, inject, it, onTestFinished } from "vitest";
import { History } from "../../../engine/consistency/history.ts";
import { pictureOfRow, type PictureOutcome } from "../../../engine/consistency/row-picture.ts";
import { connectDynamoDB } from "../../../engine/views/dynamodb.ts";
import { useStores } from "./stores-for-views.ts";
import { moved, purposeKey, unlisted, type ViewUnderCheck } from "./view-under-check.ts";

const stores = useStores();
const food = purposeKey("food");

/** A client that does something right before its batch reads, told their number from 0. */
function interruptedBeforeReads(interrupt: (read: number) => Promise<unknown>): DynamoDBClient {
  const dynamodb = connectDynamoDB({ region: "eu-central-1", endpoint: inject("dynamodbEndpoint") });
  let reads = 0;
  dynamodb.middlewareStack.add(
    (next, { commandName }) =>
      async (request) => {
        if (commandName === BatchGetItemCommand.name) await interrupt(reads++);
        return next(request);
      },
    { step: "initialize" },
  );
  onTestFinished(() => dynamodb.destroy());
  return dynamodb;
}

/** The history that a check has when it comes to the rows: guards as they are now are its floors. */
async function historyOf(view: ViewUnderCheck, ids: readonly string[]): Promise<History> {
  const floors = new Map<string, bigint>();
  for (const id of ids) {
    const revision = (await view.item(view.guardKey(id)))?.["_revision"]?.N;
    if (revision !== undefined) floors.set(view.streamOf(id), BigInt(revision));
  }
  const history = new History({
    eventStore: view.store,
    projection: view.projection,
    generation: await view.live(),
    floorOf: (stream) => floors.get(stream) ?? -1n,
  });
  await history.catchUp();
  return history;
}

async function picture(
  view: ViewUnderCheck,
  history: History,
  interrupt: (read: number) => Promise<unknown>,
): Promise<PictureOutcome> {
  const { table } = await view.live();
  return pictureOfRow(interruptedBeforeReads(interrupt), table, history, food);
}

/** Does it at one read only. */
const at =
  (when: number, what: () => Promise<unknown>) =>
  async (read: number): Promise<void> => {
    if (read === when) await what();
  };

async function fed(): Promise<ViewUnderCheck> {
  const view = await stores.view("shared");
  await view.append("w1", moved(5));
  await view.append("w2", moved(6));
  await view.deliver();
  return view;
}

describe("a picture of a shared row", () => {
  const right = { moves: 2, amount: 11 };
  const damaged = { ...right, amount: 12 };

  it("agrees at rest, and reads the row once and no guard when all stood at their heads", async () => {
    const view = await fed();
    let reads = 0;
    const count = (): Promise<number> => Promise.resolve((reads += 1));
    expect(await picture(view, await historyOf(view, ["w1", "w2"]), count)).toStrictEqual({ outcome: "agrees" });
    expect(reads).toBe(1);
  });

  it("reads the guards where none is known", async () => {
    const view = await fed();
    expect(await picture(view, await historyOf(view, []), () => Promise.resolve())).toStrictEqual({
      outcome: "agrees",
    });
    await view.damageRow(food, "amount", 12);
    expect(await picture(view, await historyOf(view, []), () => Promise.resolve())).toStrictEqual({
      outcome: "differs",
      difference: { kind: "row-differs", key: food, expected: right, actual: damaged },
    });
  });

  it.each([0, 1, 2])("agrees when a stream of the row moves before read %i", async (read) => {
    const view = await fed();
    const history = await historyOf(view, ["w1"]);
    const move = async (): Promise<void> => {
      await view.append("w1", moved(1));
      await view.append("w2", moved(1));
      await view.deliver();
    };
    expect(await picture(view, history, at(read, move))).toStrictEqual({ outcome: "agrees" });
  });

  it.each([0, 1, 2])("agrees when a new stream touches the row before read %i", async (read) => {
    const view = await fed();
    const history = await historyOf(view, ["w1"]);
    const move = async (): Promise<void> => {
      await view.append("w3", moved(1));
      await view.deliver();
    };
    expect(await picture(view, history, at(read, move))).toStrictEqual({ outcome: "agrees" });
  });

  it("agrees when another worker's look at the log brings a known stream's first touch of the row", async () => {
    const view = await fed();
    await view.append("w3", moved(1, "rent"));
    await view.deliver();
    const history = await historyOf(view, ["w1", "w3"]);
    const touch = async (): Promise<void> => {
      await view.append("w3", moved(1));
      await history.catchUp();
    };
    expect(await picture(view, history, at(1, touch))).toStrictEqual({ outcome: "agrees" });
  });

  it("agrees when the row and the guards move between the reads again and again, until they rest", async () => {
    const view = await fed();
    const history = await historyOf(view, []);
    let moves = 0;
    const keepMoving = async (): Promise<void> => {
      if (moves++ > 30) return;
      await view.append("w1", moved(1));
      await view.deliver((await view.events()).slice(-1));
    };
    expect(await picture(view, history, keepMoving)).toStrictEqual({ outcome: "agrees" });
    expect(moves).toBeGreaterThan(30);
  });

  it("finds damage by guards that stood at their heads in an earlier picture", async () => {
    const view = await fed();
    await view.damageRow(food, "amount", 12);
    const history = await historyOf(view, []);
    const move = async (): Promise<void> => {
      await view.append("w1", moved(1));
      await view.deliver();
    };
    expect(await picture(view, history, at(1, move))).toStrictEqual({
      outcome: "differs",
      difference: {
        kind: "row-differs",
        key: food,
        expected: { moves: 3, amount: 12 },
        actual: { moves: 3, amount: 13 },
      },
    });
  });

  it("is undecided when the row never rests", async () => {
    const view = await fed();
    const history = await historyOf(view, []);
    const keepMoving = async (): Promise<void> => {
      await view.append("w1", moved(1));
      await view.deliver((await view.events()).slice(-1));
    };
    expect(await picture(view, history, keepMoving)).toStrictEqual({
      outcome: "undecided",
      why: "it was written too often to be read at rest",
    });
  }, 60_000);

  it("finds damage while events come that have not arrived in the row, of its streams, new ones and unlisted types", async () => {
    const view = await fed();
    await view.damageRow(food, "amount", 12);
    const history = await historyOf(view, ["w1"]);
    let wallets = 3;
    const keepAppending = async (): Promise<void> => {
      await view.append("w1", moved(1), unlisted);
      await view.append(`w${wallets++}`, moved(1));
    };
    expect(await picture(view, history, keepAppending)).toStrictEqual({
      outcome: "differs",
      difference: { kind: "row-differs", key: food, expected: right, actual: damaged },
    });
  });

  it("is undecided when a guard falls below where the check found it", async () => {
    const view = await fed();
    await view.append("w1", moved(1));
    await view.deliver();
    const history = await historyOf(view, ["w1"]);
    await view.append("w1", moved(1));
    await history.catchUp();
    const first = await view.guardAt("w1", 0n);
    expect(
      await picture(
        view,
        history,
        at(1, () => view.damageGuard("w1", first)),
      ),
    ).toStrictEqual({
      outcome: "undecided",
      why: `the guard of ${view.streamOf("w1")} fell while it was read`,
    });
  });
});
