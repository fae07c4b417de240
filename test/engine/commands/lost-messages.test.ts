/** What a network does to a command's append: an answer or a request that breaks off, one that comes twice, one that is late. */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { Accounts, deposited, interruptedBefore, openedByAda } from "./commands-against-store.ts";
import { CuttingProxy } from "./cutting-proxy.ts";

const deposit = { type: "Deposit", amounts: [1, 2] } as const;
const accepted = { outcome: "accepted", effect: "changed", revision: 2n };
const history = [openedByAda, deposited(1), deposited(2)];

let server: EventStoreServer;
let accounts: Accounts;

beforeAll(async () => {
  server = await startEventStore();
  accounts = new Accounts(EventStore.connect(server.connectionString));
});

afterAll(async () => {
  await accounts.store.dispose();
  await server.stop();
});

type Append = Parameters<EventStore["append"]>;
type Appended = ReturnType<EventStore["append"]>;

describe("a connection that breaks off during an append", () => {
  let proxy: CuttingProxy;
  let proxied: EventStore;

  beforeAll(async () => {
    proxy = await CuttingProxy.before(server.port);
    proxied = EventStore.connect(proxy.connectionString);
    // The client asks for the server's features before its first append: that is not the message that is to break off.
    await accounts.send(await accounts.opened(), deposit, { store: proxied });
  });

  afterAll(async () => {
    await proxied.dispose();
    await proxy.stop();
  });

  /** Sizes to break off at, the whole message included: `npm run proof` takes every one. */
  const sizes = (whole: number): number[] => {
    const step = process.env["TIDEMARK_PROOF"] === undefined ? Math.ceil(whole / 15) : 1;
    return Array.from({ length: Math.ceil((whole + 1) / step) }, (_, index) => index * step);
  };

  /** What one undisturbed append takes of each direction. */
  async function wholeMessages(): Promise<{ requests: number; answers: number }> {
    let before = { requests: 0, answers: 0 };
    const store = interruptedBefore(proxied, () => Promise.resolve((before = { ...proxy.passed })));
    await accounts.send(await accounts.opened(), deposit, { key: "k", store });
    return { requests: proxy.passed.requests - before.requests, answers: proxy.passed.answers - before.answers };
  }

  it.each(["answers", "requests"] as const)(
    "has one effect and is answered, wherever it breaks off: %s",
    async (direction) => {
      const whole = await wholeMessages();
      expect(whole[direction]).toBeGreaterThan(50);
      const seen: unknown[] = [];
      for (const [index, bytes] of sizes(whole[direction]).entries()) {
        const id = await accounts.opened();
        const store = interruptedBefore(proxied, () => {
          proxy.cutAfter(direction, bytes);
          return Promise.resolve();
        });
        const answer = await accounts.send(id, deposit, { ...(index % 2 === 0 ? { key: "k" } : {}), store });
        seen.push({ bytes, answer, history: await accounts.history(id) });
        proxy.mend();
      }
      expect(seen).toStrictEqual(sizes(whole[direction]).map((bytes) => ({ bytes, answer: accepted, history })));
      // The last of them got through whole.
      expect(proxy.cuts).toBeGreaterThan(10);
    },
    600_000,
  );
});

describe("an append that comes twice", () => {
  it.each([
    ["with a key", { key: "k" }],
    ["without a key", {}],
  ])("has one effect, %s", async (_, options) => {
    class Doubled extends EventStore {
      override async append(...append: Append): Appended {
        const [first, second] = await Promise.all([super.append(...append), super.append(...append)]);
        expect(second).toStrictEqual(first);
        return first;
      }
    }
    const id = await accounts.opened();
    const store = new Doubled(accounts.store.client);
    expect(await accounts.send(id, deposit, { ...options, store })).toStrictEqual(accepted);
    expect(await accounts.history(id)).toStrictEqual(history);
  });
});

describe("an append that is held up on its way, and sent again meanwhile", () => {
  /** Takes the first append for lost after `meanwhile`; `arrive` lets it reach the store after all. */
  function holdingUpTheFirst(meanwhile: () => Promise<unknown>): { store: EventStore; arrive: () => Appended } {
    let heldUp: Append | undefined;
    class HoldingUp extends EventStore {
      override async append(...append: Append): Appended {
        if (heldUp !== undefined) return super.append(...append);
        heldUp = append;
        await meanwhile();
        throw new EventStoreUnavailableError("held up");
      }
    }
    return {
      store: new HoldingUp(accounts.store.client),
      arrive: () => {
        if (heldUp === undefined) throw new Error("nothing was held up");
        return accounts.store.append(...heldUp);
      },
    };
  }

  it.each([
    ["with a key", { key: "k" }],
    ["without a key", {}],
  ])("changes nothing when it arrives at last, %s", async (_, options) => {
    const id = await accounts.opened();
    const { store, arrive } = holdingUpTheFirst(() => Promise.resolve());
    expect(await accounts.send(id, deposit, { ...options, store })).toStrictEqual(accepted);
    expect(await arrive()).toStrictEqual({ outcome: "appended", revision: 2n });
    expect(await accounts.history(id)).toStrictEqual(history);
  });

  it.each([
    ["with a key", { key: "k" }],
    ["without a key", {}],
  ])("changes nothing when others came first and the command was decided again, %s", async (_, options) => {
    const id = await accounts.opened();
    const { store, arrive } = holdingUpTheFirst(() => accounts.send(id, { type: "Deposit", amounts: [9] }));
    expect(await accounts.send(id, deposit, { ...options, store })).toStrictEqual({ ...accepted, revision: 3n });
    expect(await arrive()).toMatchObject({ outcome: "conflict" });
    expect(await accounts.history(id)).toStrictEqual([openedByAda, deposited(9), deposited(1), deposited(2)]);
  });
});
