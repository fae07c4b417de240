/**
 * Measures ours and the raw client doing the same work, turn about, several rounds in one run, and reports the median of
 * the rounds' ratios. Machines are noisy and differ; a ratio taken side by side repeats where a rate does not.
 */

export interface Subject {
  readonly name: string;
  /** Does the work once and returns how many units it did: commands, events, rows. */
  run(): Promise<number>;
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
    const first = round % 2 === 0 ? ours : raw;
    const second = round % 2 === 0 ? raw : ours;
    const firstRate = await rate(first);
    const secondRate = await rate(second);
    if (round === 0) continue;
    rates.push(first === ours ? { ours: firstRate, raw: secondRate } : { ours: secondRate, raw: firstRate });
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

async function rate(subject: Subject): Promise<number> {
  const start = performance.now();
  const units = await subject.run();
  return units / ((performance.now() - start) / 1_000);
}

function median(values: readonly number[]): number {
  const sorted = [...values].sort((left, right) => left - right);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
}
