/**
 * Measures ours and the raw client doing the same work, turn about, several rounds in one run, and reports the median of
 * the rounds' ratios. Machines are noisy and differ; a ratio taken side by side repeats where a rate does not.
 */

/** Work that was done: so many commands, events or rows in so many seconds. */
export interface Measured {
  readonly units: number;
  readonly seconds: number;
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
}

/** Work that needs nothing made ready; `work` returns the units it did. */
export function plainSubject(work: () => Promise<number>): Subject {
  const prepared = { run: () => timed(work) };
  return { prepare: () => Promise.resolve(prepared) };
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
  const rates: { ours: number; raw: number }[] = [];
  for (let round = 0; round <= rounds; round += 1) {
    let oursRate: number;
    let rawRate: number;
    if (round % 2 === 0) {
      oursRate = await rate(ours);
      rawRate = await rate(raw);
    } else {
      rawRate = await rate(raw);
      oursRate = await rate(ours);
    }
    if (round > 0) rates.push({ ours: oursRate, raw: rawRate });
  }
  const ratios = rates.map((pair) => pair.ours / pair.raw);
  return {
    name,
    unit,
    rounds,
    ours: median(rates.map((pair) => pair.ours)),
    raw: median(rates.map((pair) => pair.raw)),
    ratio: median(ratios),
    lowest: Math.min(...ratios),
    highest: Math.max(...ratios),
  };
}

export function format(comparison: Comparison): string {
  const { name, unit, rounds, ours, raw, ratio, lowest, highest } = comparison;
  const whole = (value: number): string => Math.round(value).toLocaleString("en");
  return [
    `${name}: ${ratio.toFixed(2)}x of raw`,
    `  ours ${whole(ours)} ${unit}/s, raw ${whole(raw)} ${unit}/s`,
    `  median of ${rounds} rounds, ratios from ${lowest.toFixed(2)} to ${highest.toFixed(2)}`,
  ].join("\n");
}

async function rate({ prepare }: Subject): Promise<number> {
  const { run, clear } = await prepare();
  try {
    const { units, seconds } = await run();
    return units / seconds;
  } finally {
    await clear?.();
  }
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
