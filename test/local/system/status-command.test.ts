/** What `tidemark status` says of processes that run, hang, are stopped or have ended. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer as createHttpServer } from "node:http";
import { createServer as createHttp2Server } from "node:http2";
import { type AddressInfo, createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type RunningSystem, RunningSystemFile } from "../../../local/system/running-system.ts";
import { z } from "zod";
import { runTidemark, tidemark } from "../../system/started-system.ts";

type Process = RunningSystem["processes"][number];

const processesSchema = z.object({ processes: z.array(z.object({ name: z.string(), state: z.string() })) });

const listeningScript = `
  const server = require("node:http").createServer((_, response) => response.end());
  server.listen(0, "127.0.0.1", () => console.log(server.address().port));`;

describe("tidemark status", () => {
  let dataDirectory: string;
  let stopped: ChildProcess;
  let web: Process;
  let store: Process;
  let silent: Process;
  let unheard: Process;
  let halted: Process;
  let gone: Process;
  const servers: Server[] = [];

  async function listening(name: string, server: Server): Promise<Process> {
    servers.push(server);
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    return { name, pid: process.pid, port: (server.address() as AddressInfo).port };
  }

  beforeAll(async () => {
    dataDirectory = await mkdtemp(join(tmpdir(), "tidemark-status-"));
    web = await listening(
      "web",
      createHttpServer((_, response) => response.writeHead(404).end()),
    );
    store = await listening("store", createHttp2Server());
    silent = await listening("silent", createServer());
    unheard = await listening("unheard", createServer());
    servers.pop()?.close();
    stopped = spawn(process.execPath, ["-e", listeningScript], { stdio: ["ignore", "pipe", "inherit"] });
    const [port] = (await once(stopped.stdout ?? stopped, "data")) as [Buffer];
    stopped.kill("SIGSTOP");
    halted = { name: "halted", pid: stopped.pid ?? 0, port: Number(port.toString()) };
    const ended = spawn(process.execPath, ["-e", ""]);
    await once(ended, "close");
    gone = { name: "gone", pid: ended.pid ?? 0, port: web.port };
  });

  afterAll(async () => {
    stopped.kill("SIGKILL");
    for (const server of servers) server.close();
    await rm(dataDirectory, { recursive: true, force: true });
  });

  async function runs(...processes: Process[]): Promise<void> {
    await new RunningSystemFile(dataDirectory).write({
      pid: process.pid,
      dataDirectory,
      apiUrl: "http://127.0.0.1:3000",
      invokeUrl: "",
      eventStoreConnectionString: "",
      dynamodbEndpoint: "",
      tablePrefix: "",
      functionPrefix: "",
      region: "",
      processes,
    });
  }

  it("calls running what answers, over HTTP/1 as over HTTP/2, and ends with 0", async () => {
    await runs(web, store);
    const { code, stdout, stderr } = await runTidemark("status", "--data", dataDirectory);
    expect({ code, stderr, lines: stdout.split("\n") }).toStrictEqual({
      code: 0,
      stderr: "",
      lines: [
        `http://127.0.0.1:3000, data in ${dataDirectory}`,
        `  web          running        pid ${web.pid}  port ${web.port}`,
        `  store        running        pid ${store.pid}  port ${store.port}`,
        // There are no stores behind this system.
        expect.stringMatching(/^ {2}orders {7}not known: ./),
        expect.stringMatching(/^ {2}delivery {5}not known: ./),
        "",
      ],
    });
  });

  it("tells what hangs, does not listen or is stopped from what has ended, and ends with 1", async () => {
    await runs(web, silent, unheard, halted, gone);
    const { code, stdout, stderr } = await runTidemark("status", "--data", dataDirectory, "--json");
    expect({ code, stderr, document: JSON.parse(stdout) as unknown }).toStrictEqual({
      code: 1,
      stderr: "",
      document: {
        apiUrl: "http://127.0.0.1:3000",
        dataDirectory,
        processes: [
          { ...web, running: true, state: "running" },
          { ...silent, running: false, state: "not answering" },
          { ...unheard, running: false, state: "not answering" },
          { ...halted, running: false, state: "not answering" },
          { ...gone, running: false, state: "ended" },
        ],
        orderToCash: { unknown: expect.stringMatching(/./) as string },
        delivery: { unknown: expect.stringMatching(/./) as string },
      },
    });
    expect((await runTidemark("status", "--data", dataDirectory)).stdout).toContain(
      `  halted       not answering  pid ${halted.pid}  port ${halted.port}\n`,
    );
  });

  describe("--watch", () => {
    /** Runs it, and does something to it when it has printed so many lines. */
    async function watched(lines: number, then: (child: ChildProcess) => unknown, ...words: readonly string[]) {
      await runs(web, store);
      const command = [tidemark, "status", "--watch", "--data", dataDirectory, ...words];
      const child = spawn(process.execPath, command, { stdio: ["ignore", "pipe", "pipe"] });
      const output = { stdout: "", stderr: "" };
      child.stderr.on("data", (chunk: Buffer) => (output.stderr += chunk.toString()));
      child.stdout.on("data", (chunk: Buffer) => {
        output.stdout += chunk.toString();
        if (output.stdout.split("\n").length > lines) then(child);
      });
      const [code] = (await once(child, "close")) as [number | null];
      return { code, ...output };
    }

    it("prints a block a second where there is no terminal, and ends with Ctrl-C as a shell expects it", async () => {
      const { code, stdout, stderr } = await watched(8, (child) => child.kill("SIGINT"));
      const [first, second] = stdout.split("\n\n");
      expect({ code, stderr, second: second?.trimEnd() }).toStrictEqual({ code: 130, stderr: "", second: first });
      expect(first).toContain(`  web          running        pid ${web.pid}  port ${web.port}\n`);
    });

    it("prints an object a line with --json, and ends with SIGTERM as a shell expects it", async () => {
      const { code, stdout, stderr } = await watched(2, (child) => child.kill("SIGTERM"), "--json");
      const documents = stdout
        .trimEnd()
        .split("\n")
        .map((line) => processesSchema.parse(JSON.parse(line)));
      const running = {
        processes: [
          { name: "web", state: "running" },
          { name: "store", state: "running" },
        ],
      };
      expect({ code, stderr, documents }).toStrictEqual({ code: 143, stderr: "", documents: [running, running] });
    });

    it("ends with 1 when the system does", async () => {
      const { code, stdout, stderr } = await watched(1, () => rm(join(dataDirectory, "system.json")), "--json");
      expect({ code, lines: stdout.trimEnd().split("\n").length, error: JSON.parse(stderr) as unknown }).toMatchObject({
        code: 1,
        lines: 1,
        error: { error: { code: "SYSTEM_NOT_RUNNING" } },
      });
    });
  });
});
