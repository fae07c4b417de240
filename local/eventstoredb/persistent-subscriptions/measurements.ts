/**
 * How long a consumer takes to acknowledge, in milliseconds: the fourteen figures that `extraStatistics` asks for. Kept
 * for the last thousand acknowledgements.
 */
export interface Measurement {
  readonly key: string;
  readonly value: number;
}

const window = 1000;

/** In thousandths: fractions are not exact, and would miss the next value where they just reach it. */
const shares: readonly (readonly [string, number])[] = [
  ["Quintile 1", 0],
  ["Quintile 2", 200],
  ["Quintile 3", 400],
  ["Quintile 4", 600],
  ["Quintile 5", 800],
  ["90%", 900],
  ["95%", 950],
  ["99%", 990],
  ["99.5%", 995],
  ["99.9%", 999],
];

export class Measurements {
  readonly #values: number[] = [];
  #next = 0;

  add(milliseconds: number): void {
    this.#values[this.#next] = Math.max(0, Math.floor(milliseconds));
    this.#next = (this.#next + 1) % window;
  }

  /** Empty before the first acknowledgement. */
  summary(): readonly Measurement[] {
    if (this.#values.length === 0) return [];
    const sorted = [...this.#values].sort((one, other) => one - other);
    const at = (share: number): number =>
      sorted[Math.min(Math.floor((share * sorted.length) / 1000), sorted.length - 1)] ?? 0;
    const mean = sorted.reduce((sum, value) => sum + value, 0) / sorted.length;
    return [
      { key: "Mean", value: Math.floor(mean) },
      { key: "Median", value: at(500) },
      { key: "Fastest", value: at(0) },
      ...shares.map(([key, share]) => ({ key, value: at(share) })),
      { key: "Highest", value: at(1000) },
    ];
  }
}
