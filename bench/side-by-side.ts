/**
 * Measures ours and the raw client doing the same work, turn about, several rounds in one run, and reports the median of
 * the rounds' ratios. Machines are noisy and differ; a ratio taken side by side repeats where a rate does not.
 */
import { Latencies } from "./latencies.ts";

/** Work that was done: so many commands, events or rows in so many seconds. */
export interface Measured {
  readonly units: number;
  readonly seconds: number;
  /** Of the single units, where the work has such. */
  readonly latencies?: Latencies;
}

/** A subject ready to do its work once. */
export interface Prepared {
  readonly run: () => Promise<Measured>;
  /** Puts away what was prepared; also called when `run` failed. */
  readonly clear?: () => Promise<void>;
}

export interface Subject {
  /** Makes ready for one run what is no part of the work: an empty table, a group that has delivered nothing. */
  readonly prepare: () => Promise<Prepared>;
}

export interface Comparison {
  readonly name: string;
  readonly unit: string;
  readonly rounds: number;
  /** Median units per second. */
  readonly ours: number;
  readonly raw: number;
  /** Median over the rounds of ours / raw; above 1 is faster than raw. */
  readonly ratio: number;
  readonly lowest: number;
  readonly highest: number;
  /** Of the single units of all rounds together. */
  readonly latency?: { readonly p50: LatencyComparison; readonly p99: LatencyComparison };
}

export interface LatencyComparison {
  /** Milliseconds. */
  readonly ours: number;
  readonly raw: number;
  /** ours / raw; below 1 is faster than raw. */
  readonly ratio: number;
}

/** Work that needs nothing made ready; `work` returns the units it did, and notes how long each took. */
export function plainSubject(work: (latencies: Latencies) => Promise<number>): Subject {
  const run = async (): Promise<Measured> => {
    const latencies = new Latencies();
    return { ...(await timed(() => work(latencies))), latencies };
  };
  return { prepare: () => Promise.resolve({ run }) };
}

export async function timed(work: () => Promise<number>): Promise<Measured> {
  const start = performance.now();
  const units = await work();
  return { units, seconds: (performance.now() - start) / 1_000 };
}

/** Runs a round of each, in alternating order so that neither always comes first, after one round that does not count. */
export async function compare(
  name: string,
  unit: string,
  rounds: number,
  ours: Subject,
  raw: Subject,
): Promise<Comparison> {
  const measured: { ours: Measured; raw: Measured }[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    let oursMeasured: Measured;
    let rawMeasured: Measured;
    if (round % 2 === 0) {
      oursMeasured = await measure(ours);
      rawMeasured = await measure(raw);
    } else {
      rawMeasured = await measure(raw);
      oursMeasured = await measure(ours);
    }
    if (round > 0) measured.push({ ours: oursMeasured, raw: rawMeasured });
  }
  const rates = measured.map((pair) => ({ ours: rate(pair.ours), raw: rate(pair.raw) }));
  const ratios = rates.map((pair) => pair.ours / pair.raw);
  const latency = compareLatencies(measured);
  return {
    name,
    unit,
    rounds,
    ours: median(rates.map((pair) => pair.ours)),
    raw: median(rates.map((pair) => pair.raw)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
    ...(latency === undefined ? {} : { latency }),
  };
}

// Of all rounds together: one alone has too few units for its slowest hundredth to say much.
function compareLatencies(measured: readonly { ours: Measured; raw: Measured }[]): Comparison["latency"] {
  const ours = measured.flatMap((pair) => pair.ours.latencies ?? []);
  const raw = measured.flatMap((pair) => pair.raw.latencies ?? []);
  if (ours.length === 0 || raw.length === 0) return undefined;
  const [oursOfAll, rawOfAll] = [Latencies.together(ours), Latencies.together(raw)];
  const at = (percent: number): LatencyComparison => {
    const [oursTook, rawTook] = [oursOfAll.percentile(percent), rawOfAll.percentile(percent)];
    return { ours: oursTook, raw: rawTook, ratio: oursTook / rawTook };
  };
  return { p50: at(50), p99: at(99) };
}

export function format(comparison: Comparison): string {
  const { name, unit, rounds, ours, raw, ratio, lowest, highest, latency } = comparison;
  const whole = (value: number): string => Math.round(value).toLocaleString("en");
  return [
    `${name}: ${ratio.toFixed(2)}x of raw`,
    `  ours ${whole(ours)} ${unit}/s, raw ${whole(raw)} ${unit}/s`,
    `  median of ${rounds} rounds, ratios from ${lowest.toFixed(2)} to ${highest.toFixed(2)}`,
    ...(latency === undefined ? [] : [formatLatency("p50", latency.p50), formatLatency("p99", latency.p99)]),
  ].join("\n");
}

function formatLatency(name: string, { ours, raw, ratio }: LatencyComparison): string {
  return `  ${name} ${ratio.toFixed(2)}x of raw: ours ${ours.toFixed(2)} ms, raw ${raw.toFixed(2)} ms`;
}

function rate({ units, seconds }: Measured): number {
  return units / seconds;
}

async function measure({ prepare }: Subject): Promise<Measured> {
  const { run, clear } = await prepare();
  try {
    return await run();
  } finally {
    await clear?.();
  }
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
