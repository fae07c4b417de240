/**
 * What delivery costs on AWS, as arithmetic on what is counted: `write-units.ts` counts, the settings of the deployment say how
 * often, and the prices are an example to be replaced.
 */
import { readFile } from "node:fs/promises";
import { parse } from "yaml";
import { z } from "zod";
import type { Table } from "./table.ts";
import type { ViewCost } from "./write-units.ts";

/** US dollars. */
export interface Prices {
  readonly asOf: string;
  readonly dynamodbMillionWriteUnits: number;
  readonly dynamodbMillionReadUnits: number;
  readonly lambdaMillionInvocations: number;
  /** On arm64. */
  readonly lambdaGigabyteSecond: number;
  /** On arm64. */
  readonly fargateProcessorHour: number;
  /** On arm64. */
  readonly fargateGigabyteHour: number;
}

/** AWS's list prices in eu-central-1 without free tiers and discounts, on demand: an example, look up yours. */
export const examplePrices: Prices = {
  asOf: "2025-01",
  dynamodbMillionWriteUnits: 0.7625,
  dynamodbMillionReadUnits: 0.1525,
  lambdaMillionInvocations: 0.2,
  lambdaGigabyteSecond: 0.000_013_333_4,
  fargateProcessorHour: 0.037_25,
  fargateGigabyteHour: 0.004_09,
};

/** What an invocation of a projector takes on Lambda: assumed, because no local runtime tells it. */
export const assumedDuration = { milliseconds: 15, millisecondsPerEvent: 0.5 };

/** A container that hosts the subscriber. */
export const assumedContainer = { processors: 0.25, gigabytes: 0.5 };

/** One of each kind: rows of one stream each, and rows that many streams touch. */
export const pricedViews: readonly string[] = ["order-summary", "sales-by-month"];

const hoursPerMonth = 730;
const million = 1_000_000;

interface Host {
  readonly memoryMegabytes: number;
  readonly timeoutSeconds: number;
  readonly everyMinutes: number;
}

const serverlessSchema = z.object({
  provider: z.object({ memorySize: z.number() }),
  functions: z.object({
    subscriber: z.object({
      timeout: z.number(),
      memorySize: z.number().optional(),
      events: z.tuple([z.object({ schedule: z.object({ rate: z.string().regex(/^rate\(\d+ minutes\)$/) }) })]),
    }),
  }),
});

/** The subscriber as `serverless.yml` schedules it. */
export async function scheduledSubscriber(): Promise<Host> {
  const text = await readFile(new URL("../serverless.yml", import.meta.url), "utf8");
  const { provider, functions } = serverlessSchema.parse(parse(text));
  const { timeout, memorySize = provider.memorySize, events } = functions.subscriber;
  const everyMinutes = Number(/\d+/.exec(events[0].schedule.rate)?.[0]);
  return { memoryMegabytes: memorySize, timeoutSeconds: timeout, everyMinutes };
}

const dollars = (amount: number): string => amount.toFixed(2);

/** A million events into one view, by the number of events in a batch. */
export function millionEventsTable(cost: ViewCost, memoryMegabytes: number, prices = examplePrices): Table {
  return {
    name: `a million events into ${cost.view}, in US dollars`,
    columns: ["events in a batch", "invocations", "write units", "DynamoDB", "Lambda", "together"],
    rows: [...cost.writeUnits].map(([size, writeUnits]) => {
      const invocations = million / size;
      const writes = writeUnits * million;
      const dynamodb =
        (writes * prices.dynamodbMillionWriteUnits + invocations * cost.readUnits * prices.dynamodbMillionReadUnits) /
        million;
      const seconds = (assumedDuration.milliseconds + size * assumedDuration.millisecondsPerEvent) / 1_000;
      const lambda =
        (invocations * prices.lambdaMillionInvocations) / million +
        invocations * seconds * (memoryMegabytes / 1_024) * prices.lambdaGigabyteSecond;
      const whole = (count: number): string => Math.round(count).toLocaleString("en");
      return [
        `${size}`,
        whole(invocations),
        whole(writes),
        dollars(dynamodb),
        dollars(lambda),
        dollars(dynamodb + lambda),
      ];
    }),
  };
}

/** The subscriber's two hosts, whatever there is to deliver. */
export function hostsTable({ memoryMegabytes, timeoutSeconds, everyMinutes }: Host, prices = examplePrices): Table {
  const runs = (hoursPerMonth * 60) / everyMinutes;
  const gigabyteSeconds = runs * timeoutSeconds * (memoryMegabytes / 1_024);
  const scheduled = gigabyteSeconds * prices.lambdaGigabyteSecond + (runs * prices.lambdaMillionInvocations) / million;
  const { processors, gigabytes } = assumedContainer;
  const container = hoursPerMonth * (processors * prices.fargateProcessorHour + gigabytes * prices.fargateGigabyteHour);
  return {
    name: "the subscriber for a month, in US dollars",
    columns: ["host", "a month"],
    rows: [
      [`scheduled function, ${memoryMegabytes} MB`, dollars(scheduled)],
      [`container on Fargate, ${processors} vCPU and ${gigabytes} GB`, dollars(container)],
    ],
  };
}
