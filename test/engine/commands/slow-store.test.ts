/** An event store that answers late: what is in time is an answer, what is not leaves the outcome open and can be resent. */
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { EventStoreUnavailableError } from "../../../engine/event-store/errors.ts";
import { EventStore } from "../../../engine/event-store/event-store.ts";
import { type EventStoreServer, startEventStore } from "../../../local/eventstoredb/event-store-server.ts";
import { Accounts, deposited, interruptedBefore, openedByAda } from "./commands-against-store.ts";
import { CuttingProxy } from "./cutting-proxy.ts";

const deposit = { type: "Deposit", amounts: [1, 2] } as const;
const history = [openedByAda, deposited(1), deposited(2)];
const tooLate = 5_000;
const deadlines = { appendMs: 1_000, readProgressMs: 1_000 };

describe("an event store that answers late", () => {
  let server: EventStoreServer;
  let accounts: Accounts;
  let proxy: CuttingProxy;
  let hurried: EventStore;
  let patient: EventStore;

  beforeAll(async () => {
    server = await startEventStore();
    accounts = new Accounts(EventStore.connect(server.connectionString));
    proxy = await CuttingProxy.before(server.port);
    hurried = EventStore.connect(proxy.connectionString, deadlines);
    patient = EventStore.connect(proxy.connectionString);
  });

  // The client asks for the server's features before its first append on a connection: that answer is not to be late.
  beforeEach(async () => {
    for (const store of [hurried, patient]) {
      const id = await accounts.opened();
      await whenReconnected(() => accounts.send(id, deposit, { store }));
    }
  });

  afterEach(() => {
    proxy.cut();
  });

  afterAll(async () => {
    await hurried.dispose();
    await patient.dispose();
    await accounts.store.dispose();
    await proxy.stop();
    await server.stop();
  });

  it("but in time: the command is carried out", async () => {
    const id = await accounts.opened();
    proxy.delayAnswers(50);
    expect(await accounts.send(id, deposit, { store: patient })).toStrictEqual({
      outcome: "accepted",
      effect: "changed",
      revision: 2n,
    });
    expect(await accounts.history(id)).toStrictEqual(history);
  });

  it("to the load: the command fails as unavailable and has done nothing", async () => {
    const id = await accounts.opened();
    proxy.delayAnswers(tooLate);
    await expect(accounts.send(id, deposit, { key: "k", store: hurried })).rejects.toThrow(EventStoreUnavailableError);
    expect(await accounts.history(id)).toStrictEqual([openedByAda]);
    proxy.cut();
    expect(await whenReconnected(() => accounts.send(id, deposit, { key: "k", store: hurried }))).toStrictEqual({
      outcome: "accepted",
      effect: "changed",
      revision: 2n,
    });
  });

  it.each([
    ["with a key, and its resend finds the effect", { key: "k" }, { effect: "repeated", revision: 2n }],
    ["without a key, and has one effect although it was sent twice", {}, undefined],
  ])("to both sends of the append: the command fails as unavailable, %s", async (_, options, resend) => {
    const id = await accounts.opened();
    const sent: unknown[] = [];
    class Counted extends EventStore {
      override append(...append: Parameters<EventStore["append"]>): ReturnType<EventStore["append"]> {
        const [stream, expected, events] = append;
        sent.push([stream, expected, events.map((event) => event.id)]);
        proxy.delayAnswers(tooLate);
        return super.append(...append);
      }
    }
    const store = new Counted(hurried.client, deadlines);
    await expect(accounts.send(id, deposit, { ...options, store })).rejects.toThrow(EventStoreUnavailableError);
    const ids = (await accounts.events(id)).slice(1).map((event) => event.id);
    expect(sent).toStrictEqual([1, 2].map(() => [`account-${id}`, 0n, ids]));
    proxy.cut();
    if (resend !== undefined) {
      const again = await whenReconnected(() => accounts.send(id, deposit, { ...options, store: hurried }));
      expect(again).toStrictEqual({ outcome: "accepted", ...resend });
    }
    expect(await accounts.history(id)).toStrictEqual(history);
  });

  it("to the first send of the append only: the second is answered with the first one's revision", async () => {
    const id = await accounts.opened();
    const store = interruptedBefore(hurried, () => {
      proxy.delayAnswers(tooLate);
      return Promise.resolve();
    });
    const sent = accounts.send(id, deposit, { store });
    await expect.poll(() => accounts.history(id)).toStrictEqual(history);
    proxy.cut();
    expect(await sent).toStrictEqual({ outcome: "accepted", effect: "changed", revision: 2n });
    expect(await accounts.history(id)).toStrictEqual(history);
  });
});

/** The first call after a cut may be the one that notices it. */
async function whenReconnected<Result>(call: () => Promise<Result>): Promise<Result> {
  for (;;) {
    try {
      return await call();
    } catch (error) {
      if (!(error instanceof EventStoreUnavailableError)) throw error;
    }
  }
}
