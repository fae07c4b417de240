/**
 * Random histories, told to an aggregate with snapshots and to one without: every answer is the same, whatever snapshots
 * were taken, deleted or damaged in between, in a process that remembers some and in one that remembers none.
 */
import { randomUUID } from "node:crypto";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { handleCommand } from "../../../engine/commands/handle-command.ts";
import { load } from "../../../engine/commands/load.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { account, type AccountCommand } from "../commands/account.ts";
import { accountWithSnapshots, answers, deposit, digestOf, forgetful, policy, takeSnapshot } from "./long-accounts.ts";

type Step =
  | { readonly step: "command"; readonly key?: number; readonly amounts: number; readonly at: "known" | "new" }
  | { readonly step: "precondition"; readonly back: number }
  | { readonly step: "snapshot" | "delete snapshots" | "damage" | "other code" }
  | { readonly step: "truncate"; readonly share: number };

const stepArbitrary: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 12,
    arbitrary: fc.record(
      {
        step: fc.constant("command" as const),
        key: fc.integer({ min: 0, max: 9 }),
        // Up to more than a page at once, so that short histories grow long.
        amounts: fc.integer({ min: 0, max: 45 }),
        at: fc.constantFrom("known" as const, "new" as const),
      },
      { requiredKeys: ["step", "amounts", "at"] },
    ),
  },
  {
    weight: 1,
    arbitrary: fc.record({ step: fc.constant("precondition" as const), back: fc.integer({ min: 0, max: 2 }) }),
  },
  {
    weight: 5,
    arbitrary: fc.record({
      step: fc.constantFrom(
        "snapshot" as const,
        "snapshot" as const,
        "snapshot" as const,
        "delete snapshots" as const,
        "damage" as const,
        "other code" as const,
      ),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({ step: fc.constant("truncate" as const), share: fc.double({ min: 0, max: 1, noNaN: true }) }),
  },
);

const accountInTurn = { ...accountWithSnapshots, snapshots: { ...policy, everyEvents: 20 } };
const changedCode = { ...accountInTurn, snapshots: { ...accountInTurn.snapshots, fingerprint: "f2" } };
const keyNames = Array.from({ length: 10 }, (_, key) => `key ${key}`);

describe("random histories", () => {
  let server: EventStoreServer;
  let store: EventStore;

  beforeAll(async () => {
    server = await startEventStore();
    store = EventStore.connect(server.connectionString);
  });

  afterAll(async () => {
    await store.dispose();
    await server.stop();
  });

  it("give the same answers with snapshots and without", async () => {
    let used = 0;
    let ignored = 0;
    await fc.assert(
      fc.asyncProperty(fc.array(stepArbitrary, { minLength: 5, maxLength: 25 }), async (steps) => {
        const [withSnapshots, without] = [randomUUID(), randomUUID()];
        const stream = `account-${withSnapshots}`;
        const known = forgetful(store);
        const both = async (command: AccountCommand, more: object, at: EventStore): Promise<void> => {
          const request = { command, origin: { correlationId: "c" }, ...more };
          const expected = await handleCommand(store, account, { id: without, ...request });
          expect(await handleCommand(at, accountInTurn, { id: withSnapshots, ...request })).toStrictEqual(expected);
        };
        await both({ type: "Open", owner: "Ada" }, {}, known);
        for (const step of steps) {
          switch (step.step) {
            case "command": {
              const command = deposit(...Array.from({ length: step.amounts }, (_, index) => index + 1));
              const key = step.key === undefined ? undefined : `key ${step.key}`;
              const more = key === undefined ? {} : { idempotency: { key, digest: digestOf(command) } };
              await both(command, more, step.at === "known" ? known : forgetful(store));
              break;
            }
            case "precondition": {
              const last = (await store.lastEvent(`account-${without}`))?.revision ?? 0n;
              await both(
                deposit(1),
                { precondition: { requires: "revision", anyOf: [last - BigInt(step.back)] } },
                known,
              );
              break;
            }
            case "snapshot":
              await takeSnapshot(store, stream, accountInTurn);
              break;
            case "other code":
              await takeSnapshot(store, stream, changedCode);
              break;
            case "delete snapshots":
              if ((await store.lastEvent(`snapshot-${stream}`)) !== undefined) {
                await store.client.deleteStream(`snapshot-${stream}`);
              }
              break;
            case "damage": {
              const last = await store.lastEvent(`snapshot-${stream}`);
              if (last === undefined) break;
              const content = last.data as { state: { balance: number } };
              const state = { ...content.state, balance: content.state.balance + 1 };
              const damaged = { id: randomUUID(), type: last.type, data: { ...content, state }, metadata: {} };
              await store.append(last.stream, last.revision, [damaged]);
              break;
            }
            case "truncate": {
              const last = (await store.lastEvent(stream))?.revision ?? 0n;
              const truncateBefore = Math.floor(Number(last) * step.share);
              for (const id of [withSnapshots, without]) {
                await store.client.setStreamMetadata(`account-${id}`, { truncateBefore });
              }
            }
          }
          const expected = answers(await load(store, account, `account-${without}`), keyNames);
          for (const process of [known, forgetful(store)]) {
            const loaded = await load(process, accountInTurn, stream);
            expect(answers(loaded, keyNames)).toStrictEqual(expected);
            if (loaded.reading.snapshot.snapshot === "used") used += 1;
            if (loaded.reading.snapshot.snapshot === "ignored") ignored += 1;
          }
        }
      }),
      { numRuns: 25 },
    );
    // Histories that never meet a snapshot would show nothing.
    expect(used).toBeGreaterThan(20);
    expect(ignored).toBeGreaterThan(5);
  }, 240_000);
});
