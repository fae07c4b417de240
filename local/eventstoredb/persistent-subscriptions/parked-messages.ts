/**
 * The parked stream of a group: a link for each message that was given up, with the reason in its metadata. A replay
 * hands the messages back and truncates the stream at once, as the real server does.
 */
import { randomUUID } from "node:crypto";
import { decodeRecord, originalEvent, type ResolvedEvent } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import { metadataStreamOf, systemTypes } from "../log/system-streams.ts";
import { parkedStream, type GroupKey } from "./group-key.ts";

const pageEvents = 100;
const attempts = 5;

/** What the real server writes with `$tb`: parked messages are for administrators. */
const administrators = { $r: "$admins", $w: "$admins", $d: "$admins", $mr: "$admins", $mw: "$admins" };

export class ParkedMessages {
  readonly #log: EventLog;
  readonly #stream: string;

  constructor(log: EventLog, key: GroupKey) {
    this.#log = log;
    this.#stream = parkedStream(key);
  }

  /** How many are parked now. */
  get count(): bigint {
    const last = this.#log.lastRevision(this.#stream);
    const count = last - this.#truncatedBefore() + 1n;
    return last < 0n || count < 0n ? 0n : count;
  }

  /** Resolves when the link is on disk. */
  async park(resolved: ResolvedEvent, reason: string): Promise<void> {
    const original = originalEvent(resolved);
    const request = {
      stream: this.#stream,
      expectedRevision: "any" as const,
      events: [
        {
          id: randomUUID(),
          type: systemTypes.link,
          isJson: false,
          data: linkData(resolved),
          metadata: Buffer.from(
            JSON.stringify({
              added: new Date().toISOString(),
              reason,
              // Without it for revision 0, as the real server writes no zeros.
              ...(original.revision === 0n ? {} : { subscriptionEventNumber: Number(original.revision) }),
            }),
          ),
        },
      ],
    };
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#log.append(request);
        return;
      } catch (error) {
        if (attempt >= attempts) throw error;
      }
    }
  }

  /**
   * Calls back with each parked message up to `stopAt` (exclusive; undefined: all that there are), then truncates the
   * stream there.
   */
  async replay(stopAt: bigint | undefined, again: (parked: ResolvedEvent) => void): Promise<void> {
    const last = this.#log.lastRevision(this.#stream);
    if (last < 0n) return;
    const end = stopAt === undefined || stopAt > last + 1n ? last + 1n : stopAt;
    const start = this.#truncatedBefore();
    if (end < start || end === 0n) return;
    let next: bigint | undefined = start;
    while (next !== undefined && next < end) {
      const page = this.#log.streams.forwards(this.#stream, next, pageEvents);
      if (page.kind !== "page") break;
      for (const link of page.events) {
        if (link.revision < end) again(this.#log.resolve(link, true));
      }
      next = page.next;
    }
    await this.#log.append({
      stream: metadataStreamOf(this.#stream),
      expectedRevision: "any",
      events: [
        {
          id: randomUUID(),
          type: systemTypes.metadata,
          isJson: true,
          data: Buffer.from(JSON.stringify({ $tb: Number(end), $acl: administrators })),
          metadata: new Uint8Array(0),
        },
      ],
    });
  }

  #truncatedBefore(): bigint {
    return this.#log.metadata(this.#stream).truncateBefore ?? 0n;
  }
}

/** A link to the event itself, not to a link that led to it; a broken link keeps the data it has. */
const linkData = ({ event, link }: ResolvedEvent): Uint8Array => {
  if (event !== undefined) {
    const { revision, stream } = decodeRecord(event.record);
    return Buffer.from(`${revision}@${stream}`);
  }
  return link === undefined ? new Uint8Array(0) : decodeRecord(link.record).data;
};
