/** The memory of keys, with a part of it out of a snapshot, is the memory that never was in one. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RecentKeys, rememberedKeys, stoodFor } from "../../../engine/commands/idempotency.ts";
import { arePackedKeys } from "../../../engine/commands/packed-keys.ts";

/** What a command learns from it about keys; whole digests are not in a snapshot. */
function known(keys: RecentKeys, names: readonly string[]): unknown[] {
  return names.map((name) => {
    const found = keys.find(name);
    if (found === undefined) return undefined;
    return { revision: found.revision, same: stoodFor(found, `digest of ${name}`), other: stoodFor(found, "another") };
  });
}

const note = (keys: RecentKeys, name: string, revision: number): void =>
  keys.note({ idempotencyKey: name, idempotencyDigest: `digest of ${name}` }, BigInt(revision));

describe("packed keys", () => {
  it("remember what was noted, whenever they were packed and restored in between", () => {
    const name = fc.integer({ min: 0, max: 12 }).map((number) => `key ${number}`);
    const steps = fc.array(fc.oneof({ weight: 5, arbitrary: name }, { weight: 1, arbitrary: fc.constant(null) }));
    fc.assert(
      fc.property(steps, fc.integer({ min: 1, max: 8 }), (noted, limit) => {
        const names = Array.from({ length: 13 }, (_, number) => `key ${number}`);
        const whole = new RecentKeys(limit);
        let restored = new RecentKeys(limit);
        for (const [revision, step] of noted.entries()) {
          if (step === null) {
            restored = new RecentKeys(limit, restored.pack());
          } else {
            note(whole, step, revision);
            note(restored, step, revision);
          }
          expect(known(restored, names)).toStrictEqual(known(whole, names));
        }
      }),
      { numRuns: 500 },
    );
  });

  it("are small: 32 bytes a key, and never more than are remembered", () => {
    const keys = new RecentKeys();
    for (let number = 0; number < rememberedKeys + 50; number += 1) note(keys, `key ${number}`, number);
    const packed = keys.pack();
    expect(packed).toHaveLength(32 * rememberedKeys);
    const restored = new RecentKeys(rememberedKeys, packed);
    note(restored, "one more", 5_000);
    expect(known(restored, ["key 49", "key 50", "key 51", "key 1049", "one more"])).toStrictEqual([
      undefined,
      undefined,
      { revision: 51n, same: true, other: false },
      { revision: 1_049n, same: true, other: false },
      { revision: 5_000n, same: true, other: false },
    ]);
    expect(restored.pack()).toHaveLength(32 * rememberedKeys);
  });

  it("hold any revision that a stream can have", () => {
    const keys = new RecentKeys();
    keys.note({ idempotencyKey: "k", idempotencyDigest: "d" }, 2n ** 63n - 1n);
    expect(new RecentKeys(rememberedKeys, keys.pack()).find("k")?.revision).toBe(2n ** 63n - 1n);
  });

  it("find a key only where one begins", () => {
    const keys = new RecentKeys();
    for (let number = 0; number < 300; number += 1) note(keys, `key ${number}`, number);
    const packed = keys.pack();
    // Shifted by half an entry every key is there, and none where a key is.
    const shifted = Buffer.concat([Buffer.alloc(16), packed, Buffer.alloc(16)]);
    expect(known(new RecentKeys(rememberedKeys, shifted), ["key 0", "key 299"])).toStrictEqual([undefined, undefined]);
  });

  it("are whole entries", () => {
    expect([0, 1, 31, 32, 64].map((bytes) => arePackedKeys(Buffer.alloc(bytes)))).toStrictEqual([
      true,
      false,
      false,
      true,
      true,
    ]);
  });
});
