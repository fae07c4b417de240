/**
 * What clients asked of a server that is killed again and again, what it told them, and whether what is found afterwards
 * agrees: what was acknowledged is there once, whole and in its place; what was not is there whole or never.
 */
import {
  BACKWARDS,
  END,
  START,
  StreamDeletedError,
  StreamNotFoundError,
  type EventStoreDBClient,
  type RecordedEvent,
} from "@eventstore/db-client";
import { collect, eventOf } from "./event-store-for-test.ts";

interface Batch {
  readonly stream: string;
  readonly size: number;
  state: "asked" | "refused" | "found" | "never-written";
  acknowledged?: { readonly revision: bigint; readonly position: bigint };
}

/** A stream of a short life: two events, a soft delete, one event more, a tombstone. */
export interface Life {
  readonly stream: string;
  acknowledgedSteps: number;
  askedSteps: number;
}

/** What a reader sees after each step of a life. */
const stagesOfLife = ["not found", "0,1", "not found", "2", "deleted"];

export interface Place {
  readonly id: string;
  readonly stream: string;
  readonly revision: bigint;
  readonly position: bigint;
}

const tombstone = "$streamDeleted";

export class KillLedger {
  readonly faults: string[] = [];
  /** Every event that was found, in the order of `$all`. */
  readonly places: Place[] = [];
  readonly #batches = new Map<string, Batch>();
  readonly #lives: Life[] = [];
  readonly #lastRevisions = new Map<string, bigint>();
  metadata = { stream: "m", acknowledged: 0, asked: 0 };

  lastRevision(stream: string): bigint {
    return this.#lastRevisions.get(stream) ?? -1n;
  }

  ask(stream: string, size: number): string {
    const type = `batch-${this.#batches.size}`;
    this.#batches.set(type, { stream, size, state: "asked" });
    return type;
  }

  acknowledge(type: string, revision: bigint, position: bigint): void {
    const batch = this.#batches.get(type);
    if (batch !== undefined) batch.acknowledged = { revision, position };
  }

  refuse(type: string): void {
    const batch = this.#batches.get(type);
    if (batch !== undefined) batch.state = "refused";
  }

  get acknowledgedBatches(): number {
    return [...this.#batches.values()].filter(({ acknowledged }) => acknowledged !== undefined).length;
  }

  beginLife(stream: string): Life {
    const life = { stream, acknowledgedSteps: 0, askedSteps: 0 };
    this.#lives.push(life);
    return life;
  }

  /** Looks at everything that has come since the last look. Nothing may be written meanwhile. */
  async inspect(client: EventStoreDBClient): Promise<void> {
    const last = this.places.at(-1);
    const fromPosition = last === undefined ? START : { commit: last.position, prepare: last.position };
    const found: RecordedEvent[] = [];
    for await (const resolved of client.readAll({ fromPosition })) found.push(eventOf(resolved));
    if (last !== undefined && found.shift()?.id !== last.id) this.#fault("the last event that was found has gone");
    const before = new Map(this.#lastRevisions);
    for (const [index, event] of found.entries()) this.#take(event, found[index - 1]);
    this.#closeBatches(found);
    await this.#compareStreams(client, found, before);
    for (const life of this.#lives.splice(0)) await this.#inspectLife(client, life);
    await this.#inspectMetadata(client);
  }

  /** Looks at all of it once more: earlier kills may not have harmed what was found since. */
  async inspectAll(client: EventStoreDBClient): Promise<void> {
    let index = 0;
    for await (const resolved of client.readAll()) {
      const { id, position } = eventOf(resolved);
      const known = this.places[index];
      if (known?.id !== id || known.position !== position?.commit) this.#fault(`event ${index} of $all is another`);
      index += 1;
    }
    if (index !== this.places.length) this.#fault(`$all has ${index} events, there were ${this.places.length}`);
  }

  #fault(what: string): void {
    if (this.faults.length < 20) this.faults.push(what);
  }

  #take(event: RecordedEvent, before: RecordedEvent | undefined): void {
    const position = event.position?.commit ?? -1n;
    const { id, type, streamId: stream, revision } = event;
    if (position <= (this.places.at(-1)?.position ?? -1n)) this.#fault(`position ${position} does not go on`);
    if (type !== tombstone && revision !== this.lastRevision(stream) + 1n)
      this.#fault(`${stream}: revision ${revision} after ${this.lastRevision(stream)}`);
    this.#lastRevisions.set(stream, revision);
    this.places.push({ id, stream, revision, position });
    if (!type.startsWith("batch-")) return;
    const batch = this.#batches.get(type);
    const index = indexOf(event);
    if (batch === undefined || batch.stream !== stream) this.#fault(`${type} in ${stream} was never asked for`);
    else if (batch.state !== "asked") this.#fault(`${type} is there although it was ${batch.state}`);
    else if (index > 0 && (before?.type !== type || indexOf(before) !== index - 1)) this.#fault(`${type} is not whole`);
    else if (index === batch.size - 1) batch.state = "found";
  }

  #closeBatches(found: readonly RecordedEvent[]): void {
    const lastOf = new Map(found.map((event) => [event.type, event]));
    for (const [type, batch] of this.#batches) {
      const last = lastOf.get(type);
      if (batch.state === "asked") {
        if (last !== undefined) this.#fault(`${type} is half there`);
        if (batch.acknowledged !== undefined) this.#fault(`${type} was acknowledged and is not there`);
        batch.state = "never-written";
      }
      if (last === undefined || batch.acknowledged === undefined) continue;
      const { revision, position } = batch.acknowledged;
      if (last.revision !== revision || last.position?.commit !== position)
        this.#fault(`${type} was acknowledged at ${revision}, ${position} and is at ${last.revision}`);
    }
  }

  async #compareStreams(
    client: EventStoreDBClient,
    found: readonly RecordedEvent[],
    before: ReadonlyMap<string, bigint>,
  ): Promise<void> {
    const byStream = Map.groupBy(found, ({ streamId }) => streamId);
    for (const [stream, events] of byStream) {
      if (!/^[sb]-/.test(stream)) continue;
      const read = await collect(client.readStream(stream, { fromRevision: (before.get(stream) ?? -1n) + 1n }));
      const ids = read.map((resolved) => eventOf(resolved).id);
      if (ids.join() !== events.map(({ id }) => id).join()) this.#fault(`${stream} and $all do not agree`);
    }
  }

  async #inspectLife(client: EventStoreDBClient, life: Life): Promise<void> {
    const seen = await collect(client.readStream(life.stream)).then(
      (read) => read.map((resolved) => eventOf(resolved).revision).join(),
      (error: unknown) => {
        if (error instanceof StreamDeletedError) return "deleted";
        if (error instanceof StreamNotFoundError) return "not found";
        throw error;
      },
    );
    const allowed = [stagesOfLife[life.acknowledgedSteps], stagesOfLife[life.askedSteps]];
    if (!allowed.includes(seen)) this.#fault(`${life.stream} shows ${seen} after ${allowed.join(" or ")}`);
  }

  async #inspectMetadata(client: EventStoreDBClient): Promise<void> {
    const { stream, acknowledged, asked } = this.metadata;
    const { metadata } = await client.getStreamMetadata(stream);
    const count = metadata?.maxCount ?? 0;
    if (count !== acknowledged && count !== asked) this.#fault(`metadata ${count} after ${acknowledged} or ${asked}`);
    this.metadata.acknowledged = count;
    this.metadata.asked = count;
  }
}

const indexOf = ({ data }: RecordedEvent): number =>
  typeof data === "object" && "index" in data ? Number(data.index) : -1;

/** The text of a group's last checkpoint. */
export const checkpointOf = async (client: EventStoreDBClient, group: string): Promise<string | undefined> => {
  try {
    const stream = `$persistentsubscription-${group}-checkpoint`;
    const [last] = await collect(client.readStream(stream, { direction: BACKWARDS, fromRevision: END, maxCount: 1 }));
    const data: unknown = last === undefined ? undefined : eventOf(last).data;
    return typeof data === "string" ? data : undefined;
  } catch (error) {
    if (error instanceof StreamNotFoundError) return undefined;
    throw error;
  }
};
