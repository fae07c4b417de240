import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import manifest from "../../../package.json" with { type: "json" };
import { runTidemark, tidemark } from "../../system/started-system.ts";

const commands = ["start", "eventstore", "import", "replay", "check", "status"];

describe("the command line", () => {
  let empty: string;
  let taken: Server;
  let takenPort: number;

  beforeAll(async () => {
    empty = await mkdtemp(join(tmpdir(), "tidemark-cli-"));
    taken = createServer();
    await new Promise<void>((resolve) => taken.listen(0, "127.0.0.1", resolve));
    const address = taken.address();
    takenPort = typeof address === "object" && address !== null ? address.port : 0;
  });

  afterAll(async () => {
    taken.close();
    await rm(empty, { recursive: true, force: true });
  });

  it("lists its commands", async () => {
    const { code, stdout } = await runTidemark("--help");
    expect(code).toBe(0);
    for (const command of [...commands, "order-to-cash"]) expect(stdout).toContain(`  ${command} `);
  });

  it("says what its exit codes are", async () => {
    expect((await runTidemark("--help")).stdout).toContain(`Exit codes:
  0    done
  1    failed, found wrong, or found nothing by the name that was given, such as a view's
  2    wrong usage: a command, an option or its form that cannot be
`);
  });

  it("ends quietly when nobody reads on what it prints", async () => {
    const child = spawn(process.execPath, [tidemark, "--help"], { stdio: ["ignore", "pipe", "pipe"] });
    child.stdout.destroy();
    const errors = await text(child.stderr);
    if (child.exitCode === null) await once(child, "exit");
    expect({ code: child.exitCode, errors }).toStrictEqual({ code: 0, errors: "" });
  });

  it.each(["--version", "-V"])("prints its version on %s", async (flag) => {
    expect(await runTidemark(flag)).toStrictEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: "" });
  });

  it.each([...commands, "order-to-cash stalled", "order-to-cash retry"])(
    "%s has --help, --json and --data",
    async (command) => {
      const { code, stdout } = await runTidemark(...command.split(" "), "--help");
      expect(code).toBe(0);
      expect(stdout.split("\n")[0]?.startsWith(`Usage: tidemark ${command} [options]`)).toBe(true);
      expect(stdout).toContain("--json");
      expect(stdout).toContain("--data");
    },
  );

  it.each([
    [["nonsense"], 'error: there is no command "nonsense"'],
    [["status", "--nonsense"], "error: unknown option '--nonsense'"],
    [["start", "--port", "many"], "A port is a number"],
    [["start", "--port", "3000", "--dynamodb-port", "3000"], "--port and --dynamodb-port are both 3000"],
    [["import", "southwind"], "Allowed choices are northwind"],
    [["import", "northwind", "--url", "nowhere"], '"nowhere" is not a URL'],
    [["import", "northwind", "--orders", "0"], "Give a number from 1."],
    [["order-to-cash", "retry"], "missing required argument 'order'"],
  ])("%j is wrong usage: exit code 2 and what is right", async (words, says) => {
    const { code, stdout, stderr } = await runTidemark(...words);
    expect({ code, stdout, said: stderr.includes(says) }).toStrictEqual({ code: 2, stdout: "", said: true });
  });

  it.each([
    ["status"],
    ["check"],
    ["replay", "sales-by-month"],
    ["order-to-cash", "stalled"],
    ["order-to-cash", "retry", "first"],
  ])("%s without a running system says to start one", async (...words) => {
    const plain = await runTidemark(...words, "--data", empty);
    expect(plain).toStrictEqual({
      code: 1,
      stdout: "",
      stderr: `error: no system runs on ${empty}: run npm start, or name another with --data\n`,
    });
    const { stderr } = await runTidemark(...words, "--data", empty, "--json");
    expect(JSON.parse(stderr)).toMatchObject({ error: { code: "SYSTEM_NOT_RUNNING" } });
  });

  it.each(["port", "eventstore-port", "dynamodb-port", "invoke-port", "subscriber-port"])(
    "start names the port that is in use, and its flag --%s",
    async (flag) => {
      // The other ports must not be in use by chance either; the check goes flag by flag and ends at the taken one.
      const others = ["port", "eventstore-port", "dynamodb-port", "invoke-port", "subscriber-port"].filter(
        (other) => other !== flag,
      );
      const free = others.flatMap((other, index) => [`--${other}`, String(20_000 + ((takenPort + index) % 10_000))]);
      const { code, stderr } = await runTidemark("start", "--data", empty, ...free, `--${flag}`, String(takenPort));
      expect({ code, stderr }).toStrictEqual({
        code: 1,
        stderr: `error: port ${takenPort} is in use: stop what listens there, or choose another with --${flag}\n`,
      });
    },
  );
});
