/** Reads what a group asks of the log, a page at a time, and turns events into what its engine takes. */
import { decodeRecord, originalEvent, recordId, type ResolvedEvent, type StoredEvent } from "../log/event.ts";
import type { EventFilter } from "../log/event-filter.ts";
import type { EventLog } from "../log/event-log.ts";
import { systemTypes } from "../log/system-streams.ts";
import type { GroupDefinition } from "./configuration.ts";
import type { HistoryEntry, HistoryRequest } from "./engine.ts";
import { allSource } from "./group-key.ts";
import type { IncomingEvent } from "./message.ts";

/** Records looked at in one page, and before other work has its turn. */
export const recordsPerTurn = 4096;

export type HistoryPage =
  | {
      readonly kind: "page";
      readonly entries: readonly HistoryEntry<ResolvedEvent>[];
      readonly next: bigint | undefined;
      readonly isEnd: boolean;
      readonly considered: number;
    }
  /** Nothing will ever be read: the stream has a tombstone, or `$all` has no record where the group is to start. */
  | { readonly kind: "unreadable" };

export class GroupHistory {
  readonly #log: EventLog;
  readonly #definition: GroupDefinition;
  readonly #filter: EventFilter | undefined;

  /** @throws UnsupportedRegexError */
  constructor(log: EventLog, definition: GroupDefinition) {
    this.#log = log;
    this.#definition = definition;
    this.#filter = definition.filter === undefined ? undefined : log.filter(definition.filter);
  }

  wants(event: StoredEvent): boolean {
    return this.#filter === undefined || this.#filter.matches(event.streamId, event.typeId);
  }

  read(request: HistoryRequest): HistoryPage {
    if (this.#definition.source !== allSource) return this.#readStream(request);
    if (!this.#startsAtRecord(request)) return { kind: "unreadable" };
    return this.#filter === undefined ? this.#readAll(request) : this.#readFiltered(request, this.#filter);
  }

  incoming(event: StoredEvent): IncomingEvent<ResolvedEvent> {
    const payload = this.#resolve(event);
    return {
      id: recordId(event.record),
      position: this.#definition.source === allSource ? event.position : event.revision,
      revision: event.revision,
      source: this.#sourceOf(payload),
      payload,
    };
  }

  /** A parked message, which has no place among the group's events. */
  replayed(payload: ResolvedEvent): Omit<IncomingEvent<ResolvedEvent>, "position"> {
    const { record, revision } = originalEvent(payload);
    return { id: recordId(record), revision, source: this.#sourceOf(payload), payload };
  }

  /** Only a start that somebody named can be wrong: all other positions are those of events that were met. */
  #startsAtRecord({ from, exclusive }: HistoryRequest): boolean {
    if (exclusive || from === undefined || from === 0n || from !== this.#definition.settings.startFrom) return true;
    return this.#log.all.isRecordStart(from);
  }

  #readStream({ from, exclusive, count }: HistoryRequest): HistoryPage {
    const { source } = this.#definition;
    const start = (from ?? 0n) + (exclusive ? 1n : 0n);
    const page = this.#log.streams.forwards(source, start, count);
    if (page.kind === "stream-deleted") return { kind: "unreadable" };
    const end = this.#log.lastRevision(source) + 1n;
    const pastEnd = end > start ? end : start;
    if (page.kind === "not-found") return { kind: "page", entries: [], next: pastEnd, isEnd: true, considered: 0 };
    return {
      kind: "page",
      entries: page.events.map((event) => ({ kind: "event", event: this.incoming(event) })),
      next: page.next ?? pastEnd,
      isEnd: page.next === undefined,
      considered: page.events.length,
    };
  }

  #readAll(request: HistoryRequest): HistoryPage {
    const after = positionBefore(request);
    const page = this.#log.all.forwards(after, request.count);
    return {
      kind: "page",
      entries: page.events.map((event) => ({ kind: "event", event: this.incoming(event) })),
      next: (page.last ?? after) + 1n,
      isEnd: page.last === undefined,
      considered: page.events.length,
    };
  }

  /**
   * As on the real server, what a filter leaves out counts towards the checkpoint only where a whole page has nothing
   * else, and then moves it to where that page began.
   */
  #readFiltered(request: HistoryRequest, filter: EventFilter): HistoryPage {
    const after = positionBefore(request);
    const { maxCheckPointCount } = this.#definition.settings;
    const window = Math.max(request.count, Math.min(maxCheckPointCount, recordsPerTurn));
    const { records, last } = this.#log.all.scanForwards(after, window, filter, request.count);
    const entries: HistoryEntry<ResolvedEvent>[] = [];
    for (const { position, matches } of records) {
      const event = matches ? this.#log.all.event(position) : undefined;
      if (event !== undefined) entries.push({ kind: "event", event: this.incoming(event) });
    }
    const [first] = records;
    if (entries.length === 0 && first !== undefined) {
      entries.push({ kind: "skipped", position: first.position, count: records.length });
    }
    return {
      kind: "page",
      entries,
      next: (last ?? after) + 1n,
      isEnd: last === undefined,
      considered: records.length,
    };
  }

  /** A link whose target cannot be read comes without it: an event that has just been committed must not get lost. */
  #resolve(event: StoredEvent): ResolvedEvent {
    try {
      return this.#log.resolve(event, this.#definition.settings.resolveLinkTos);
    } catch {
      return { event: undefined, link: event };
    }
  }

  /** The stream that a pinned event belongs to: that of the event itself, or the one that a link names. */
  #sourceOf({ event, link }: ResolvedEvent): string {
    if (this.#definition.settings.consumerStrategy !== "Pinned") return "";
    const record = event ?? link;
    if (record === undefined) return "";
    const contents = decodeRecord(record.record);
    if (contents.type !== systemTypes.link) return contents.stream;
    const data = Buffer.from(contents.data).toString("utf8");
    return data.slice(data.indexOf("@") + 1);
  }
}

const positionBefore = ({ from, exclusive }: HistoryRequest): bigint =>
  from === undefined ? -1n : exclusive ? from : from - 1n;
