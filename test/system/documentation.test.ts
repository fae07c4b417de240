/** Runs the commands that README and pages show, in their order, against a system of its own; code that they show is real. */
import { spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { accepts, freePorts } from "../../local/system/ports.ts";
import { portFlags, run, StartedSystem } from "./started-system.ts";

const repository = join(import.meta.dirname, "../..");

interface Page {
  readonly name: string;
  readonly text: string;
}

const pages: readonly Page[] = await Promise.all(
  [
    "README.md",
    ...(await readdir(join(repository, "docs"), { recursive: true }))
      .filter((file) => file.endsWith(".md"))
      .toSorted()
      .map((file) => `docs/${file}`),
  ].map(async (name) => ({ name, text: await readFile(join(repository, name), "utf8") })),
);

function blocks({ text }: Page, language: string): string[] {
  // A block in a list is indented.
  const fences = new RegExp(`^ *\`\`\`${language}\\n([\\s\\S]*?)^ *\`\`\`$`, "gm");
  return [...text.matchAll(fences)].map(([, block = ""]) => block);
}

const commands = pages.flatMap((page) =>
  blocks(page, "sh")
    .flatMap((block) => block.split("\n"))
    .map((line) => line.trim())
    .filter((line) => line !== "")
    .map((line) => ({ page: page.name, line })),
);

/** What this very run, or another test of it, has done: installing, starting the tests, packaging; starting, on ports of its own. */
const doneOtherwise = ["npm ci", "npm start", "npm test", "npm run package"];

/** A server in the foreground, with or without variables before it. */
const isServer = ({ line }: { readonly line: string }): boolean => /^(?:\w+=\S+ )*npm run eventstore\b/.test(line);

/** What several pages show is run where it is shown first. */
const toRun = [...Map.groupBy(commands, ({ line }) => line).values()]
  .flatMap(([first]) => first ?? [])
  .filter(({ line }) => !doneOtherwise.includes(line));

describe("the documentation", () => {
  let system: StartedSystem;

  beforeAll(async () => {
    system = await StartedSystem.prepared();
    await system.start();
  }, 120_000);

  afterAll(async () => {
    await system.remove();
  });

  it("shows in the README how to install, start and test", () => {
    const shown = commands.filter(({ page }) => page === "README.md").map(({ line }) => line);
    expect(shown.filter((line) => doneOtherwise.includes(line))).toStrictEqual(["npm ci", "npm start", "npm test"]);
  });

  it.each(toRun.filter((command) => !isServer(command)))(
    "shows in $page a command that works: $line",
    async ({ line }) => {
      const { code, stdout, stderr } = await run(["bash", "-c", adapted(line)]);
      expect({ code, output: code === 0 ? "" : stdout + stderr }).toStrictEqual({ code: 0, output: "" });
    },
    60_000,
  );

  it.each(toRun.filter(isServer))(
    "shows in $page a server that runs until it is stopped: $line",
    async ({ line }) => {
      const directory = await mkdtemp(join(tmpdir(), "tidemark-documentation-"));
      const [port = 0] = await freePorts(1);
      const words = line.replace(/--port \d+/, `--port ${port}`).replace(/--data \S+/, `--data ${directory}`);
      expect(words).toContain(directory);
      const server = spawn("bash", ["-c", `exec env ${words}`], {
        cwd: repository,
        stdio: ["ignore", "pipe", "inherit"],
      });
      const ended = new Promise((resolve) => server.once("close", resolve));
      await new Promise<void>((resolve) => {
        server.stdout.on("data", (chunk: Buffer) => {
          if (chunk.toString().includes(`esdb://127.0.0.1:${port}`)) resolve();
        });
      });
      server.kill("SIGTERM");
      await ended;
      await expect.poll(() => accepts(port)).toBe(false);
      await rm(directory, { recursive: true, force: true });
    },
    60_000,
  );

  /** The same command for this system's ports and data; curl fails on an error, and waits for rows that are on their way. */
  function adapted(line: string): string {
    const patient = "curl --silent --show-error --fail --retry 20 --retry-delay 1 --retry-all-errors";
    const here = line.replaceAll("http://127.0.0.1:3000", system.url).replace(/^curl/, patient);
    if (line.includes(" --server ")) return ofThisStore(line);
    if (line.startsWith("npx tidemark")) return `${here} --data ${system.dataDirectory}`;
    if (line.startsWith("npm run"))
      return `${here}${line.includes(" -- ") ? "" : " --"} --data ${system.dataDirectory}`;
    return here;
  }

  /**
   * What names an event store by its address has no data directory; what it writes goes where the system's data is. The whole
   * contract suite has its own place among the tests: here a part shows that it finds the server.
   */
  function ofThisStore(line: string): string {
    const command = line.startsWith("npm run contract") ? `${line} --only contiguous` : line;
    return command
      .replace("127.0.0.1:2113", `127.0.0.1:${system.ports[portFlags.indexOf("--eventstore-port")] ?? 0}`)
      .replace(/--file (\S+)/, `--file ${system.dataDirectory}/$1`);
  }

  const shownCode = pages.flatMap((page) => blocks(page, "ts").map((block) => ({ page: page.name, block })));
  const isProgram = ({ block }: { block: string }): boolean => block.startsWith("import ");

  it.each(shownCode.filter(isProgram))("shows in $page a program that runs", async ({ block }) => {
    const words = [process.execPath, "--input-type=module", "--eval", block];
    const { code, stdout, stderr } = await run(words, join(repository, "docs"));
    expect({ code, output: stdout + stderr }).toStrictEqual({ code: 0, output: "" });
  });

  it("shows code that stands in the project as it is shown", async () => {
    const sources = (await run(["git", "ls-files", "*.ts"])).stdout.trim().split("\n");
    const code = await Promise.all(sources.map((file) => readFile(join(repository, file), "utf8").catch(() => "")));
    const excerpts = shownCode.filter((shown) => !isProgram(shown));
    expect(excerpts.length).toBeGreaterThan(0);
    for (const { page, block } of excerpts) {
      expect([page, block, code.some((text) => text.includes(block.trim()))]).toStrictEqual([page, block, true]);
    }
  });

  it("links to files that are there", async () => {
    for (const { name, text } of pages) {
      for (const [, target = ""] of text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
        const { code } = await run(["test", "-e", join(repository, name, "..", target)]);
        expect([name, target, code]).toStrictEqual([name, target, 0]);
      }
    }
  });
});
