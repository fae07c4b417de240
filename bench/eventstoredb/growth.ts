/**
 * What an operation costs in a large log, over the same operation in a small one, on the same server in one run: with
 * 100,000 streams, and at the end of a stream of 1,000,000 events. And what a start with that log takes.
 */
import { BACKWARDS, END, type EventStoreDBClient, FORWARDS, START } from "@eventstore/db-client";
import { appendByHundreds, appendSingly, count, distinctStreams, rate } from "./measures.ts";
import { StoreProcess, temporaryDirectory } from "./store-process.ts";

export interface Growth {
  readonly name: string;
  readonly unit: "operations" | "ms" | "MB";
  readonly small: number | undefined;
  readonly large: number;
}

export interface GrowthSizes {
  readonly streams: number;
  readonly revisions: number;
  /** Operations in one measurement. */
  readonly operations: number;
}

export async function* measureGrowth(
  { streams, revisions, operations }: GrowthSizes,
  say: (line: string) => void,
): AsyncGenerator<Growth> {
  const directory = await temporaryDirectory();
  const empty = await StoreProcess.start(directory);
  const startedEmpty = empty.startedIn;
  const idle = await empty.residentMemory();
  // Once for nothing: what is measured first would pay for the compiler.
  await operate(empty.client, "small", operations, distinctStreams(10));
  const small = await operate(empty.client, "small", operations, distinctStreams(10));
  say(`writing ${streams.toLocaleString("en")} streams`);
  const many = distinctStreams(streams);
  await appendSingly(empty.client, 32, streams, many);
  const spread = await appendSingly(empty.client, 8, operations, (number) => many((number * 7919) % streams));
  const few = await appendSingly(empty.client, 8, operations, distinctStreams(10));
  yield {
    name: `append to one of ${streams.toLocaleString("en")} streams`,
    unit: "operations",
    small: few,
    large: spread,
  };
  say(`writing a stream of ${revisions.toLocaleString("en")} events`);
  await appendByHundreds(empty.client, "long", 1, revisions, 1000);
  const large = await operate(empty.client, "long-0", operations, () => "long-0");
  for (const [index, { name, value }] of large.entries()) {
    yield {
      name: `${name}, ${revisions.toLocaleString("en")} events`,
      unit: "operations",
      small: small[index]?.value,
      large: value,
    };
  }
  await empty.stop();
  const full = await StoreProcess.start(directory);
  yield { name: "start until ready", unit: "ms", small: startedEmpty, large: full.startedIn };
  yield { name: "resident memory after the start", unit: "MB", small: idle, large: await full.residentMemory() };
  await count(full.client.readAll({ fromPosition: START, direction: FORWARDS, maxCount: revisions }));
  await appendSingly(full.client, 8, operations, many);
  yield { name: "resident memory after reading all", unit: "MB", small: undefined, large: await full.residentMemory() };
  await full.stop();
}

interface Operation {
  readonly name: string;
  readonly value: number;
}

/** What a command does to a stream: reads its end, reads a piece of it, appends to it. */
async function operate(
  client: EventStoreDBClient,
  stream: string,
  operations: number,
  appendTo: (number: number) => string,
): Promise<readonly Operation[]> {
  if (stream === "small") await appendByHundreds(client, stream, 1, 100);
  const name = stream === "small" ? "small-0" : stream;
  const each = (work: () => Promise<unknown>): Promise<number> =>
    rate(async () => {
      for (let number = 0; number < operations; number += 1) await work();
      return operations;
    });
  return [
    {
      name: "read the last event of a stream",
      value: await each(() => count(client.readStream(name, { direction: BACKWARDS, fromRevision: END, maxCount: 1 }))),
    },
    {
      name: "read 50 events of a stream",
      value: await each(() =>
        count(client.readStream(name, { direction: BACKWARDS, fromRevision: END, maxCount: 50 })),
      ),
    },
    { name: "append to a stream", value: await appendSingly(client, 8, operations, appendTo) },
  ];
}
