/**
 * Runs histories in a process of its own: `node test/simulation/main.ts <first seed> <histories>`. Ends with 1 at the first that
 * fails, and tells of it.
 */
import { runHistories } from "./fault-histories.ts";

const [first = "1", count = "1"] = process.argv.slice(2);
const { failure, histories } = await runHistories({ firstSeed: Number(first), histories: Number(count) });
if (failure !== undefined) {
  process.stderr.write(`${failure}\n`);
  process.exitCode = 1;
}
process.stdout.write(`${histories} histories\n`);
