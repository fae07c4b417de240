import type { Command } from "commander";
import { command, type CommonOptions, reportingErrors } from "../cli/command-error.ts";
import { isAlive, readRunningSystem } from "./running-system.ts";

export function statusCommand(): Command {
  return command("status", "Shows the processes of a running system.").action(async ({ data, json }: CommonOptions) => {
    await reportingErrors(json, async () => {
      const { apiUrl, dataDirectory, processes } = await readRunningSystem(data);
      const alive = processes.map((process) => ({ ...process, running: isAlive(process.pid) }));
      if (json === true) {
        console.log(JSON.stringify({ apiUrl, dataDirectory, processes: alive }));
        return;
      }
      console.log(`${apiUrl}, data in ${dataDirectory}`);
      for (const { name, pid, port, running } of alive) {
        console.log(`  ${name.padEnd(12)} ${running ? "running" : "ended  "}  pid ${pid}  port ${port}`);
      }
    });
  });
}
