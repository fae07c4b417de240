#!/usr/bin/env node
// Runs the command line on the Node.js that the project brings (Lambda's version, which runs TypeScript as it is), whatever
// version the machine has.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import * as nodeModule from "node:module";
import { constants } from "node:os";
import { fileURLToPath } from "node:url";

// Compiled modules are kept beside the packages they are made from: the second start of anything takes half the time.
process.env.NODE_COMPILE_CACHE ??= fileURLToPath(new URL("../node_modules/.cache/node/", import.meta.url));
// Absent before Node.js 22.
nodeModule.enableCompileCache?.(process.env.NODE_COMPILE_CACHE);

const program = fileURLToPath(new URL("../local/cli/main.ts", import.meta.url));
const node = fileURLToPath(new URL("../node_modules/node/bin/node", import.meta.url));

if (Number(process.versions.node.split(".")[0]) >= 24) {
  await import(program);
} else if (existsSync(node)) {
  const child = spawn(node, [program, ...process.argv.slice(2)], { stdio: "inherit" });
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => child.kill(signal));
  // npm and npx end the shell between them and this process without passing a signal on.
  const parent = process.ppid;
  setInterval(() => {
    if (process.env.npm_lifecycle_event !== undefined && process.ppid !== parent) child.kill("SIGTERM");
  }, 200).unref();
  child.on("exit", (code, signal) => process.exit(code ?? 128 + constants.signals[signal]));
} else {
  console.error("error: Node.js 24 is missing: run npm ci first");
  process.exit(1);
}
