/** Writes a group's checkpoints, one at a time; of those that come meanwhile only the last is written. */
import { randomUUID } from "node:crypto";
import { decodeRecord } from "../log/event.ts";
import type { EventLog } from "../log/event-log.ts";
import { checkpointStream, formatPosition, parsePosition, type GroupKey } from "./group-key.ts";

const checkpointType = "$SubscriptionCheckpoint";

/** Where the group got to; undefined if it never wrote that down. */
export const loadCheckpoint = (log: EventLog, key: GroupKey): bigint | undefined => {
  const event = log.streams.event(checkpointStream(key), -1n);
  if (event === undefined) return undefined;
  try {
    const data: unknown = JSON.parse(Buffer.from(decodeRecord(event.record).data).toString("utf8"));
    return typeof data === "string" ? parsePosition(key.source, data) : undefined;
  } catch {
    return undefined;
  }
};

export class CheckpointWriter {
  readonly #log: EventLog;
  readonly #key: GroupKey;
  #wanted: bigint | undefined;
  #writing: Promise<void> | undefined;

  constructor(log: EventLog, key: GroupKey) {
    this.#log = log;
    this.#key = key;
  }

  write(position: bigint): void {
    this.#wanted = position;
    this.#writing ??= this.#writeWanted().finally(() => {
      this.#writing = undefined;
    });
  }

  /** Resolves when nothing is being written any more; what was wanted and not begun is given up. */
  async stop(): Promise<void> {
    this.#wanted = undefined;
    await this.#writing;
  }

  /** A checkpoint that cannot be written costs redelivery, no event: the next one will say as much. */
  async #writeWanted(): Promise<void> {
    while (this.#wanted !== undefined) {
      const position = this.#wanted;
      this.#wanted = undefined;
      await this.#append(position).catch(() => undefined);
    }
  }

  async #append(position: bigint): Promise<void> {
    await this.#log.append({
      stream: checkpointStream(this.#key),
      expectedRevision: "any",
      events: [
        {
          id: randomUUID(),
          type: checkpointType,
          isJson: true,
          data: Buffer.from(JSON.stringify(formatPosition(this.#key.source, position))),
          metadata: new Uint8Array(0),
        },
      ],
    });
  }
}
