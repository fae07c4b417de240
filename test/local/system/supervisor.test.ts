import { spawn } from "node:child_process";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { isAlive } from "../../../local/system/running-system.ts";
import { type ProcessDefinition, Supervisor } from "../../../local/system/supervisor.ts";

const supervisorModule = new URL("../../../local/system/supervisor.ts", import.meta.url).href;

/** A process that runs `script` until it is killed, and says so in a file once it has started. */
function definition(name: string, directory: string, script: string): ProcessDefinition {
  const started = join(directory, `${name}.pid`);
  const code = `${script}; require("fs").writeFileSync(${JSON.stringify(started)}, String(process.pid)); setInterval(() => {}, 1000)`;
  return {
    name,
    port: 0,
    command: [process.execPath, "-e", code],
    isReady: async () => (await readFile(started, "utf8")) !== "",
  };
}

describe("the supervisor", () => {
  let directory: string;
  let notices: string[];
  let failures: string[];
  let supervisor: Supervisor;

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), "tidemark-supervisor-"));
    notices = [];
    failures = [];
    supervisor = new Supervisor(join(directory, "logs"), {
      notice: (line) => notices.push(line),
      changed: () => undefined,
      failed: (why) => failures.push(why),
    });
  });

  afterEach(async () => {
    await supervisor.stop();
    await rm(directory, { recursive: true, force: true });
  });

  const pidOf = (name: string): number => supervisor.processes.find((process) => process.name === name)?.pid ?? 0;

  it("starts a process again when it is killed, and says which, how it ended and what it last said", async () => {
    await supervisor.start(definition("worker", directory, `console.log("working")`));
    const before = pidOf("worker");
    process.kill(before, "SIGKILL");
    await expect.poll(() => notices.length).toBe(1);
    expect(notices[0]).toBe(
      `worker ended (SIGKILL) and was started again as pid ${pidOf("worker")}; it last said:\nworking`,
    );
    expect(pidOf("worker")).not.toBe(before);
    await expect.poll(() => isAlive(pidOf("worker"))).toBe(true);
  });

  it("gives up on a process that dies three times before it was ready", async () => {
    const start = supervisor.start(definition("broken", directory, `console.error("no config"); process.exit(7)`));
    await expect
      .poll(() => failures)
      .toStrictEqual(["broken ended 3 times before it was ready (exit code 7); it last said:\nno config"]);
    expect(notices).toHaveLength(2);
    await supervisor.stop();
    expect(await start).toBe(false);
  });

  it("stops a process that ignores SIGTERM, with all that it has started", async () => {
    const childFile = join(directory, "child.pid");
    const script = `process.on("SIGTERM", () => {}); const c = require("child_process").spawn("sleep", ["600"]); require("fs").writeFileSync(${JSON.stringify(childFile)}, String(c.pid))`;
    await supervisor.start(definition("stubborn", directory, script));
    const pids = [pidOf("stubborn"), Number(await readFile(childFile, "utf8"))];
    await supervisor.stop();
    await expect.poll(() => pids.filter(isAlive)).toStrictEqual([]);
  }, 15_000);

  it("starts a process again although what it had started holds its output", async () => {
    const script = `require("child_process").spawn("sleep", ["600"], { stdio: "inherit" })`;
    await supervisor.start(definition("parent", directory, script));
    const before = pidOf("parent");
    process.kill(before, "SIGKILL");
    await expect.poll(() => pidOf("parent")).not.toBe(before);
  });

  it("goes on when a log cannot be written, and says so once", async () => {
    await supervisor.start(definition("worker", directory, `setInterval(() => console.log("working"), 5)`));
    await rm(join(directory, "logs"), { recursive: true });
    await writeFile(join(directory, "logs"), "a file where the folder was");
    const before = pidOf("worker");
    process.kill(before, "SIGKILL");
    await expect.poll(() => notices.length).toBe(2);
    expect(notices.filter((notice) => notice.includes("worker.log cannot be written"))).toHaveLength(1);
    await expect.poll(() => isAlive(pidOf("worker"))).toBe(true);
    expect(failures).toStrictEqual([]);
  });

  it("lists processes in the order in which they were asked for", async () => {
    await Promise.all(["a", "b", "c"].map((name) => supervisor.start(definition(name, directory, ""))));
    expect(supervisor.processes.map(({ name }) => name)).toStrictEqual(["a", "b", "c"]);
  });

  it("leaves nothing behind when it is itself killed", async () => {
    const pidFile = join(directory, "orphan.pid");
    const program = join(directory, "supervise.ts");
    const source = `
      import { Supervisor } from ${JSON.stringify(supervisorModule)};
      import { access } from "node:fs/promises";
      const supervisor = new Supervisor(${JSON.stringify(join(directory, "logs"))}, { notice() {}, changed() {}, failed() {} });
      const script = 'require("fs").writeFileSync(${JSON.stringify(pidFile)}, String(process.pid)); setInterval(() => {}, 1000)';
      await supervisor.start({ name: "orphan", port: 0, command: [process.execPath, "-e", script], isReady: () => access(${JSON.stringify(pidFile)}).then(() => true) });
      console.log("ready");
    `;
    await writeFile(program, source);
    const child = spawn(process.execPath, [program], { stdio: ["ignore", "pipe", "inherit"] });
    await new Promise((resolve) => child.stdout.once("data", resolve));
    const orphan = Number(await readFile(pidFile, "utf8"));
    expect(isAlive(orphan)).toBe(true);
    child.kill("SIGKILL");
    await expect.poll(() => isAlive(orphan), { timeout: 5_000 }).toBe(false);
  });
});
