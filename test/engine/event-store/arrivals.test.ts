/** What comes of a stream, taken with `read()`: all of it, whoever is faster, and its error after what came before. */
import { PassThrough, Readable } from "node:stream";
import { setImmediate } from "node:timers/promises";
import { describe, expect, it } from "vitest";
import { Arrivals } from "../../../engine/event-store/arrivals.ts";

/** Takes everything; `slowly` lets the stream go on between two. */
async function* taken(stream: Readable, slowly = false): AsyncGenerator<unknown, void> {
  const arrivals = new Arrivals(stream);
  for (;;) {
    const value: unknown = stream.read();
    if (value === null) {
      if (await arrivals.more()) continue;
      return;
    }
    yield value;
    if (slowly) await setImmediate();
  }
}

async function all(values: AsyncIterable<unknown>): Promise<unknown[]> {
  const collected: unknown[] = [];
  for await (const value of values) collected.push(value);
  return collected;
}

const hundred = Array.from({ length: 100 }, (_, index) => index);

describe("what a stream gives", () => {
  it.each([false, true])("is taken in full, by one who is slow: %s", async (slowly) => {
    expect(await all(taken(Readable.from(hundred), slowly))).toStrictEqual(hundred);
  });

  it("is taken as it arrives", async () => {
    const stream = new PassThrough({ objectMode: true });
    const values = taken(stream);
    for (const value of [1, 2, 3]) {
      const next = values.next();
      await setImmediate();
      stream.write(value);
      expect(await next).toStrictEqual({ value, done: false });
    }
    stream.end();
    expect(await values.next()).toStrictEqual({ value: undefined, done: true });
  });

  it("is nothing where there is nothing", async () => {
    expect(await all(taken(Readable.from([])))).toStrictEqual([]);
  });

  it.each([false, true])("comes before its error, also to one who is slow: %s", async (slowly) => {
    const failure = new Error("no more");
    const stream = new PassThrough({ objectMode: true });
    for (const value of hundred) stream.write(value);
    const values: unknown[] = [];
    const taking = (async () => {
      for await (const value of taken(stream, slowly)) values.push(value);
    })();
    await setImmediate();
    // As the client of EventStoreDB tells errors: the stream is not destroyed.
    stream.emit("error", failure);
    await expect(taking).rejects.toBe(failure);
    expect(values.length).toBeGreaterThan(10);
    expect(values).toStrictEqual(hundred.slice(0, values.length));
  });

  it("ends with an error when it is closed before its end", async () => {
    const stream = new PassThrough({ objectMode: true });
    const next = taken(stream).next();
    await setImmediate();
    stream.destroy();
    await expect(next).rejects.toThrow("it was closed before its end");
  });

  it("is over with its end: an error that comes later is nobody's", async () => {
    const stream = Readable.from(hundred);
    expect(await all(taken(stream))).toStrictEqual(hundred);
    stream.emit("error", new Error("late"));
    await setImmediate();
  });
});
