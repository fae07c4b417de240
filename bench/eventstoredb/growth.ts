/**
 * What an operation costs in a large log over what it costs in a small one, on two servers turn about: with 100,000
 * streams, and at the end of a stream of 1,000,000 events. And what a start with that log takes.
 */
import { BACKWARDS, END, type EventStoreDBClient, FORWARDS, START } from "@eventstore/db-client";
import { type Comparison, compare, plainSubject } from "../side-by-side.ts";
import { appendByHundreds, appendSingly, count, distinctStreams } from "./measures.ts";
import { StoreProcess, temporaryDirectory } from "./store-process.ts";

export interface GrowthSizes {
  readonly streams: number;
  readonly revisions: number;
  /** Operations in one measurement. */
  readonly operations: number;
  readonly rounds: number;
}

export interface Weight {
  readonly name: "start until ready" | "resident memory after the start" | "resident memory after reading it all";
  readonly unit: "ms" | "MB";
  readonly small: number;
  readonly large: number;
}

export interface Growth {
  /** "ours" is the large log, "raw" the small one. */
  readonly operations: readonly Comparison[];
  readonly weights: readonly Weight[];
}

const smallStreams = 10;
const smallRevisions = 1_000;

export async function measureGrowth(sizes: GrowthSizes, say: (line: string) => void): Promise<Growth> {
  const [smallDirectory, largeDirectory] = [await temporaryDirectory(), await temporaryDirectory()];
  const small = await filled(smallDirectory, smallStreams, Math.min(smallRevisions, sizes.revisions));
  say(`writing ${inWords(sizes.streams)} streams and a stream of ${inWords(sizes.revisions)} events`);
  const large = await filled(largeDirectory, sizes.streams, sizes.revisions);
  const operations: Comparison[] = [];
  for await (const comparison of operationsIn(large, small, sizes)) {
    say(`${comparison.name}: ${comparison.ratio.toFixed(2)}x of the small log`);
    operations.push(comparison);
  }
  await Promise.all([large.store.stop(), small.store.stop()]);
  return { operations, weights: weightsOf(await weigh(smallDirectory), await weigh(largeDirectory)) };
}

interface Filled {
  readonly store: StoreProcess;
  readonly long: string;
  readonly revisions: number;
  readonly streamOf: (number: number) => string;
}

async function filled(directory: string, streams: number, revisions: number): Promise<Filled> {
  const store = await StoreProcess.start(directory);
  const streamOf = distinctStreams(streams);
  await appendSingly(store.client, 32, streams, streamOf);
  await appendByHundreds(store.client, "long", 1, revisions, Math.min(1_000, revisions));
  return { store, long: "long-0", revisions, streamOf };
}

async function* operationsIn(large: Filled, small: Filled, sizes: GrowthSizes): AsyncGenerator<Comparison> {
  const { operations, rounds } = sizes;
  const each = (name: string, work: (log: Filled) => Promise<unknown>): Promise<Comparison> => {
    const subject = (log: Filled) =>
      plainSubject(async () => {
        for (let number = 0; number < operations; number += 1) await work(log);
        return operations;
      });
    return compare(name, "operations", rounds, subject(large), subject(small));
  };
  const longName = `a stream of ${inWords(sizes.revisions)} events`;
  yield await each(`read the last event of ${longName}`, ({ store, long }) => lastEvent(store.client, long));
  yield await each(`read 20 events in the middle of ${longName}`, ({ store, long, revisions }) =>
    count(store.client.readStream(long, { fromRevision: BigInt(revisions >> 1), maxCount: 20 })),
  );
  const appending = (name: string, streamIn: (log: Filled) => (number: number) => string): Promise<Comparison> => {
    const subject = (log: Filled) =>
      plainSubject(async () => {
        await appendSingly(log.store.client, 8, operations, streamIn(log));
        return operations;
      });
    return compare(name, "operations", rounds, subject(large), subject(small));
  };
  yield await appending(
    `append to ${longName}`,
    ({ long }) =>
      () =>
        long,
  );
  // A prime step visits them out of order, as the streams of a real system are.
  yield await appending(`append to one of ${inWords(sizes.streams)} streams`, ({ streamOf }) => {
    const step = 7_919;
    return (number) => streamOf(number * step);
  });
}

const lastEvent = (client: EventStoreDBClient, stream: string): Promise<number> =>
  count(client.readStream(stream, { direction: BACKWARDS, fromRevision: END, maxCount: 1 }));

interface Weights {
  readonly start: number;
  readonly afterStart: number;
  readonly afterReading: number;
}

async function weigh(directory: string): Promise<Weights> {
  const store = await StoreProcess.start(directory);
  const afterStart = await store.residentMemory();
  await count(store.client.readAll({ fromPosition: START, direction: FORWARDS }));
  const afterReading = await store.residentMemory();
  await store.stop();
  return { start: store.startedIn, afterStart, afterReading };
}

const weightsOf = (small: Weights, large: Weights): readonly Weight[] => [
  { name: "start until ready", unit: "ms", small: small.start, large: large.start },
  { name: "resident memory after the start", unit: "MB", small: small.afterStart, large: large.afterStart },
  { name: "resident memory after reading it all", unit: "MB", small: small.afterReading, large: large.afterReading },
];

function inWords(value: number): string {
  return value.toLocaleString("en");
}
