/** `tidemark eventstore export` and `import` as their users run them, also when they are killed on the way. */
import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { END } from "@eventstore/db-client";
import { afterEach, beforeEach, expect, test } from "vitest";
import { startEventStore, type EventStoreServer } from "../../../local/eventstoredb/event-store-server.ts";
import { run } from "../../system/started-system.ts";
import { collect, connect, events } from "../eventstoredb/event-store-for-test.ts";

const main = join(import.meta.dirname, "../../../local/cli/main.ts");
const transfer = (...words: string[]): string[] => [process.execPath, main, "eventstore", ...words];

let directory: string;
let file: string;
let source: EventStoreServer;
let target: EventStoreServer;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), "log-transfer-command-"));
  file = join(directory, "log.ndjson");
  source = await startEventStore({ inMemory: true });
  target = await startEventStore({ inMemory: true });
});
afterEach(async () => {
  await Promise.all([source.stop(), target.stop()]);
  await rm(directory, { recursive: true });
});

/** Kills a command once something has come of it. */
const killed = async (command: string[], hasBegun: () => Promise<boolean>): Promise<void> => {
  const [program = "", ...words] = command;
  const child = spawn(program, words, { stdio: "ignore" });
  const ended = new Promise((resolve) => child.once("exit", resolve));
  await expect.poll(hasBegun, { interval: 1 }).toBe(true);
  child.kill("SIGKILL");
  await ended;
};

test("killed on the way, a transfer is repeated, and the log is there once", async () => {
  const from = connect(source);
  for (let batch = 0; batch < 20; batch += 1) await from.appendToStream(`s-${batch % 7}`, events(500));
  const to = connect(target);
  const exporting = transfer("export", "--server", source.connectionString, "--file", file, "--json");
  const importing = transfer("import", "--server", target.connectionString, "--file", file, "--json");
  await killed(exporting, async () => (await stat(file).catch(() => undefined))?.size !== undefined);
  const exported = await run(exporting);
  expect(exported.code, exported.stderr).toBe(0);
  expect(JSON.parse(exported.stdout)).toMatchObject({ file });
  expect((await readFile(file, "utf8")).trim().split("\n")).toHaveLength(10_001);
  await killed(importing, async () => {
    const [last] = await collect(to.readAll({ direction: "backwards", fromPosition: END, maxCount: 1 }));
    return last?.event?.streamId.startsWith("s-") === true;
  });
  const imported = await run(importing);
  expect(imported.code, imported.stderr).toBe(0);
  expect(JSON.parse(imported.stdout)).toEqual({ events: 10_000, file });
  const idsIn = async (client: typeof from): Promise<unknown[]> =>
    (await collect(client.readAll()))
      .map(({ event }) => [event?.streamId, event?.revision, event?.id])
      .filter(([stream]) => String(stream).startsWith("s-"));
  expect(await idsIn(to)).toEqual(await idsIn(from));
  await Promise.all([from.dispose(), to.dispose()]);
});

test("what goes wrong is one line with what to do, or JSON, and an exit code", async () => {
  const unusable = await run(
    transfer("import", "--server", target.connectionString, "--file", join(directory, "none")),
  );
  expect([unusable.code, unusable.stderr.trim().split("\n").length]).toEqual([1, 1]);
  expect(unusable.stderr).toContain("none cannot be read");
  const nobody = await run(transfer("export", "--server", "esdb://127.0.0.1:1?tls=false", "--file", file, "--json"));
  expect(nobody.code).toBe(1);
  expect(JSON.parse(nobody.stderr.trim().split("\n").at(-1) ?? "")).toMatchObject({
    error: { message: expect.any(String) as unknown },
  });
  const usage = await run(transfer("export", "--file", file));
  expect([usage.code, usage.stderr]).toEqual([
    2,
    "error: required option '--server <connection string>' not specified\n",
  ]);
});
