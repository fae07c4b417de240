/** What an event is in a payload, and what is refused as none. */
import { describe, expect, it } from "vitest";
import {
  BatchFormatError,
  decodeBatch,
  encodePayload,
  encodeRecord,
  itemIdentifier,
  payloadFrameBytes,
} from "../../../engine/delivery/event-record.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";

const event: StoredEvent = {
  id: "8a1c4a36-5c1d-4c0e-9a36-25f1c9a2c001",
  stream: "order-1",
  revision: 9_007_199_254_740_993n,
  position: { commit: 9_007_199_254_740_995n, prepare: 9_007_199_254_740_994n },
  type: "OrderPlaced",
  data: { total: { amount: 1, currency: "USD" }, note: "ü\n" },
  metadata: { $correlationId: "c", schemaVersion: 1 },
  recordedAt: new Date("2026-11-24T10:00:00.123Z"),
};

const decoded = (...events: readonly StoredEvent[]): StoredEvent[] =>
  decodeBatch(JSON.parse(encodePayload(events.map(encodeRecord))));

describe("an event record", () => {
  it("comes back as it was, 64-bit numbers included", () => {
    expect(decoded(event)).toStrictEqual([event]);
  });

  it("carries data that is not JSON", () => {
    const binary = { ...event, data: new Uint8Array([0, 255, 128]) };
    expect(decoded(binary)).toStrictEqual([binary]);
  });

  it("carries data that is null, and data that is missing", () => {
    expect(decoded({ ...event, data: null })).toStrictEqual([{ ...event, data: null }]);
    expect(decoded({ ...event, data: undefined })).toStrictEqual([{ ...event, data: undefined }]);
  });

  it("is named by stream and revision, as one id may stand in two streams", () => {
    expect(itemIdentifier(event)).toBe("9007199254740993@order-1");
  });

  it("has a payload of exactly its bytes, a comma, and the frame", () => {
    const records = [event, event].map(encodeRecord);
    const bytes = records.reduce((sum, record) => sum + Buffer.byteLength(record), 0);
    expect(Buffer.byteLength(encodePayload(records))).toBe(payloadFrameBytes + bytes + 1);
  });

  it.each([
    ["nothing", undefined],
    ["no records", { records: [] }],
    ["an HTTP event", { version: "2.0", rawPath: "/" }],
    ["a revision that is a number", { records: [{ ...JSON.parse(encodeRecord(event)), revision: 1 }] }],
    ["a negative revision", { records: [{ ...JSON.parse(encodeRecord(event)), revision: "-1" }] }],
    ["a position that is none", { records: [{ ...JSON.parse(encodeRecord(event)), position: "12" }] }],
    ["metadata that is text", { records: [{ ...JSON.parse(encodeRecord(event)), metadata: "none" }] }],
  ])("is not %s", (_, payload: unknown) => {
    expect(() => decodeBatch(payload)).toThrow(BatchFormatError);
  });
});
