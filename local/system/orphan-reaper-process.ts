/** The process behind {@link file://./orphan-reaper.ts}: `+<group>` to watch, `-<group>` to forget, end of input to kill. */
import { createInterface } from "node:readline";

const groups = new Set<number>();

for await (const line of createInterface({ input: process.stdin })) {
  const group = Number(line.slice(1));
  if (line.startsWith("+")) groups.add(group);
  else groups.delete(group);
}

for (const group of groups) {
  try {
    process.kill(-group, "SIGKILL");
  } catch {
    // It ended with its supervisor.
  }
}
