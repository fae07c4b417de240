/** One connection to a persistent subscription, from its confirmation to its end. */
import type { EventStoreDBClient, PersistentSubscriptionToAll, ResolvedEvent } from "@eventstore/db-client";
import { withDeadline } from "../event-store/deadline.ts";
import { EventStoreUnavailableError } from "../event-store/errors.ts";

/** A server that is still starting answers nothing at all. */
const confirmationMs = 10_000;
const farewellMs = 1_000;
/** Other clients of the store refuse more than 2,000 ids in one message. */
const idsPerAck = 2_000;

export class GroupConnection {
  readonly #subscription: PersistentSubscriptionToAll;
  /** Resolves with the reason when no more events will come. */
  readonly ended: Promise<unknown>;
  readonly #acks = new Set<Promise<void>>();
  #open = true;

  private constructor(subscription: PersistentSubscriptionToAll) {
    this.#subscription = subscription;
    this.ended = new Promise((resolve) => {
      // Never removed: the client may report several errors, and one that nobody hears ends the process.
      subscription.on("error", resolve);
      subscription.on("end", () => resolve(new EventStoreUnavailableError("the event store ended the subscription")));
      subscription.on("close", () => resolve(new EventStoreUnavailableError("the subscription was closed")));
    });
    void this.ended.then(() => (this.#open = false));
  }

  /** Resolves when the store has confirmed; throws what kept it from doing so. */
  static async open(
    client: EventStoreDBClient,
    group: string,
    bufferSize: number,
    received: (connection: GroupConnection, event: ResolvedEvent) => void,
  ): Promise<GroupConnection> {
    const subscription = client.subscribeToPersistentSubscriptionToAll(group, { bufferSize });
    const connection = new GroupConnection(subscription);
    subscription.on("data", (event) => {
      if (connection.#open) received(connection, event);
    });
    const confirmed = new Promise<"confirmed">((resolve) => {
      subscription.on("confirmation", () => resolve("confirmed"));
    });
    try {
      const first = Promise.race([confirmed, connection.ended]);
      const outcome = await withDeadline(first, confirmationMs, `the subscription to group ${group}`);
      if (outcome !== "confirmed") throw outcome;
    } catch (error) {
      await connection.close();
      throw error;
    }
    return connection;
  }

  get isOpen(): boolean {
    return this.#open;
  }

  /** Sends and forgets, as the protocol does: an ack that is lost lets the event return. */
  ack(events: readonly ResolvedEvent[]): void {
    for (let first = 0; this.#open && first < events.length; first += idsPerAck) {
      const ack = this.#subscription
        .ack(...events.slice(first, first + idsPerAck))
        .catch(() => undefined)
        .finally(() => this.#acks.delete(ack));
      this.#acks.add(ack);
    }
  }

  /** Sends what acks are on their way and leaves the group; the store gives out again at once what was not acknowledged. */
  async close(): Promise<void> {
    // Both waits have an end of ours: on a channel that broke, the client's promises may never settle.
    await withDeadline(Promise.all(this.#acks), farewellMs, "the last acks").catch(() => undefined);
    this.#open = false;
    await withDeadline(this.#subscription.unsubscribe(), farewellMs, "the end of the subscription").catch(
      () => undefined,
    );
  }
}
