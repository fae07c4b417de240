/**
 * What a replay would do, before anything is made: the log is read and folded as its verification will do it, so that rows,
 * bytes and differences from the live view are counted and not guessed, and an event that the projection cannot take is found
 * now. What it will take is worked out from that.
 */
import type { ExpectedItem } from "./expected-items.ts";
import { attributesOf } from "../consistency/plain-row.ts";
import { formatPosition, type Position, startOfAll } from "../event-store/position.ts";
import { type CatalogEntry, type Generation, liveGeneration } from "../views/catalog.ts";
import type { Projection, RowValue } from "../views/projection.ts";
import { compareWithLive } from "./live-comparison.ts";
import type { ReplayObserver, ReplayWait } from "./replay.ts";
import { type ReplayContext, settingsOf } from "./replay-context.ts";
import { type ReportedComparison, reportedComparison } from "./report.ts";
import { readReport } from "./report-store.ts";
import { Verification } from "./verification.ts";

export interface Preview {
  readonly view: string;
  readonly version: number;
  readonly from: string;
  /** The end of what was looked at. */
  readonly until: string;
  /** Events to read, of all streams. */
  readonly events: number;
  readonly rows: number;
  readonly guards: number;
  readonly scavengedStreams: number;
  /** Of rows and guards in the new table, without its indexes. */
  readonly bytes: number;
  /** Request units of DynamoDB: writes at least, because a row that is touched again and again may be written several times. */
  readonly writeUnits: number;
  readonly readUnits: number;
  readonly seconds: {
    /** What this fold took. */
    readonly folded: number;
    /** What the whole replay will take. */
    readonly expected: number;
    /** Where that comes from: the view's last replay, or the fold and a usual rate of writes. */
    readonly basis: "last replay" | "rule of thumb";
  };
  /** US dollars at {@link prices}. */
  readonly cost: { readonly dynamodb: number; readonly lambda: number };
  /** Absent where no generation is live. */
  readonly comparedWithLive?: ReportedComparison;
}

export interface PreviewOptions {
  readonly from?: Position;
  readonly until?: Position;
  readonly signal?: AbortSignal;
  readonly observer?: Pick<ReplayObserver, "progress" | "waiting">;
}

/** List prices of us-east-1 since November 2024, in US dollars: on-demand tables; Lambda on arm64, a GB-second. */
export const prices = { writeUnit: 0.625 / 1e6, readUnit: 0.125 / 1e6, gigabyteSecond: 0.0000133334 };

/** As `serverless.yml` gives the function that replays. */
const functionGigabytes = 1;

/** What a new on-demand table takes a second at least. */
const usualWriteUnitsPerSecond = 4_000;

export async function previewReplay(
  context: ReplayContext,
  entry: CatalogEntry,
  projection: Projection,
  { from = startOfAll, until, signal, observer }: PreviewOptions,
): Promise<Preview> {
  const { eventStore } = context;
  const target = until ?? (await eventStore.tail());
  const generation: Generation = {
    id: "preview",
    table: "",
    version: projection.version,
    role: "building",
    from,
    declaredAt: new Date().toISOString(),
  };
  using verification = new Verification(eventStore, projection, generation);
  const mayGoOn = (): void => signal?.throwIfAborted();
  const startedAt = performance.now();
  let events = 0;
  await verification.foldTo(target, (read, at) => {
    mayGoOn();
    events = read;
    observer?.progress?.(read, at, target);
  });
  const folded = (performance.now() - startedAt) / 1_000;
  const size = sizeOf(verification.items(), projection);
  const counts = verification.counts();
  const live = until === undefined ? liveGeneration(entry) : undefined;
  const { dynamodb } = context;
  const { waitForGuardsMs } = settingsOf(context);
  const onWaiting = (wait: ReplayWait): void => observer?.waiting?.(wait, generation);
  const rows = { dynamodb, eventStore, projection, shadow: generation, waitForGuardsMs, mayGoOn, onWaiting };
  const compared = live === undefined ? undefined : await compareWithLive({ ...rows, live }, verification);
  // The new table is read to be verified, and that of the live view to be compared.
  const readUnits = Math.ceil(size.bytes / readUnitBytes) * (live === undefined ? 1 : 2);
  const seconds = await secondsOf(context, projection.name, live, { events, folded, writeUnits: size.writeUnits });
  return {
    view: entry.projection,
    version: projection.version,
    from: formatPosition(from),
    until: formatPosition(target),
    events,
    ...counts,
    bytes: size.bytes,
    writeUnits: size.writeUnits,
    readUnits,
    seconds: { folded, ...seconds },
    cost: {
      dynamodb: size.writeUnits * prices.writeUnit + readUnits * prices.readUnit,
      lambda: seconds.expected * functionGigabytes * prices.gigabyteSecond,
    },
    ...(live === undefined || compared === undefined ? {} : { comparedWithLive: reportedComparison(compared, live) }),
  };
}

const writeUnitBytes = 1_024;
const readUnitBytes = 4_096;

/** Bytes in the table, and units to write each item once, into the indexes too that show its row. */
function sizeOf(
  pages: Iterable<readonly ExpectedItem[]>,
  { indexes = [] }: Projection,
): { readonly bytes: number; readonly writeUnits: number } {
  let bytes = 0;
  let writeUnits = 0;
  for (const page of pages) {
    for (const item of page) {
      const attributes = attributesOf(item.row);
      const itemBytes = bytesOf(item, attributes);
      const inIndexes = indexes.filter(({ partition, sort }) => partition in attributes && sort in attributes).length;
      bytes += itemBytes;
      writeUnits += Math.ceil(itemBytes / writeUnitBytes) * (1 + inIndexes);
    }
  }
  return { bytes, writeUnits };
}

/** What the engine keeps beside a row: a guard, or the place that it is folded to. */
const kept = 60;

/** As DynamoDB counts: names and texts in UTF-8, numbers by half their digits. */
function bytesOf({ key }: ExpectedItem, attributes: Readonly<Record<string, RowValue>>): number {
  const keys = 4 + Buffer.byteLength(key.pk.S ?? "") + Buffer.byteLength(key.sk.S ?? "");
  const named = Object.entries(attributes).map(([name, value]) => Buffer.byteLength(name) + valueBytes(value));
  return keys + kept + named.reduce((sum, bytes) => sum + bytes, 0);
}

function valueBytes(value: RowValue): number {
  if (typeof value === "string") return Buffer.byteLength(value);
  if (typeof value === "number" || typeof value === "bigint") return 1 + Math.ceil(value.toString().length / 2);
  if (value === null || typeof value === "boolean") return 1;
  const parts: readonly [string, RowValue][] = Array.isArray(value)
    ? value.map((inner: RowValue): [string, RowValue] => ["", inner])
    : Object.entries(value);
  return parts.reduce((sum, [name, inner]) => sum + 1 + Buffer.byteLength(name) + valueBytes(inner), 3);
}

/** As long as the last replay took for each event; without one, the log twice and the writes at what a new table takes. */
async function secondsOf(
  context: ReplayContext,
  view: string,
  live: Generation | undefined,
  { events, folded, writeUnits }: { readonly events: number; readonly folded: number; readonly writeUnits: number },
): Promise<Pick<Preview["seconds"], "expected" | "basis">> {
  const last = live === undefined ? undefined : await readReport(context, view, live.id);
  // One that only went on from a checkpoint says little of a whole one.
  if (last !== undefined && last.events > 0 && last.written >= last.rows) {
    const { backFill, verify, compare } = last.seconds;
    return { expected: ((backFill + verify + compare) * events) / Math.max(last.logEvents, 1), basis: "last replay" };
  }
  return { expected: 2 * folded + writeUnits / usualWriteUnitsPerSecond, basis: "rule of thumb" };
}
