/** `bin/tidemark.js` on a machine whose Node.js is too old: it runs the project's own, and ends as that one does. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";

const launcher = join(import.meta.dirname, "../../../bin/tidemark.js");
const olderNode = `data:text/javascript,
  const versions = { ...process.versions, node: "20.0.0" };
  Object.defineProperty(process, "versions", { value: versions });`;

function launch(...words: string[]) {
  return spawn(process.execPath, ["--import", olderNode, launcher, ...words], { stdio: ["ignore", "pipe", "pipe"] });
}

it.each([
  [["--help"], 0],
  [["status", "--data", "/no/such/system"], 1],
  [["no-such-command"], 2],
])("%j ends with the command's exit code %i", async (words, code) => {
  expect(await once(launch(...words), "close")).toStrictEqual([code, null]);
});

it.each([
  ["SIGINT", 130],
  ["SIGTERM", 143],
  // Nothing handles it: the command's process is ended by the signal itself.
  ["SIGHUP", 129],
] as const)("%s passes on to the command and ends both, with the exit code %i", async (signal, code) => {
  // An API that never answers keeps the command running until it is told to stop.
  const api = createServer();
  api.listen(0, "127.0.0.1");
  await once(api, "listening");
  const { port } = api.address() as AddressInfo;
  const asked = once(api, "request");
  const child = launch("import", "northwind", "--url", `http://127.0.0.1:${port}`);
  const ended = once(child, "close");
  await asked;
  child.kill(signal);
  expect(await ended).toStrictEqual([code, null]);
  api.closeAllConnections();
  api.close();
});
