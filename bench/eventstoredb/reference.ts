/**
 * What EventStoreDB 24.6 does in the same shapes: 2 cores shared by server and client 6.2.1, events of 305 bytes, a quiet
 * machine. Measured elsewhere: only `--server` compares on one machine. Where runs differed, both ends are given.
 */
import type { MeasureName } from "./measures.ts";

export interface Reference {
  readonly disk: string;
  readonly memory: string;
}

export const reference: Readonly<Record<MeasureName, Reference | undefined>> = {
  "append 1 event, concurrency 1": { disk: "350-590", memory: "730-1,160" },
  "append 1 event, concurrency 8": { disk: "2,000-2,400", memory: "3,500" },
  "append 1 event, concurrency 32": { disk: "4,800", memory: "5,200" },
  "append 100 events, concurrency 1": { disk: "15,000", memory: "20,000" },
  "append 100 events, concurrency 8": { disk: "29,000", memory: "32,000" },
  "readAll forwards": { disk: "46,000", memory: "45,000" },
  "readAll backwards": { disk: "35,000", memory: "52,000" },
  "readStream forwards": undefined,
  "subscribeToAll, type filter, scanned": { disk: "128,000", memory: "149,000-197,000" },
  "persistent subscription, ack singly": { disk: "9,000", memory: "7,000" },
  "persistent subscription, ack by 100": { disk: "18,000", memory: "18,000" },
  "live at 100/s, p50": { disk: "2.8", memory: "1.4" },
  "live at 100/s, p99": { disk: "27", memory: "10" },
  "resident memory after all of this": { disk: "690", memory: "340-450" },
};
