/** Where a property test begins; TIDEMARK_SEED repeats the run that it names. */
export function newSeed(): number {
  const given = process.env["TIDEMARK_SEED"];
  if (given === undefined) return Math.floor(Math.random() * 2 ** 31);
  if (/^-?\d+$/.test(given)) return Number(given);
  throw new RangeError(`TIDEMARK_SEED=${given}: give the whole number that a failed test has named`);
}

/** Throws a RangeError for a number of runs that would explore nothing, and so pass whatever is wrong. */
export function checkRuns(runs: number): void {
  if (!Number.isSafeInteger(runs) || runs < 1) throw new RangeError(`runs: ${runs} explores nothing: give 1 or more`);
}
