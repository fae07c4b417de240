/** The processes of a system on one machine, in the order in which they start. */
import { rmSync, symlinkSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { join, relative } from "node:path";
import { dynamodbCommand, dynamodbData } from "../dynamodb/dynamodb-server.ts";
import { accepts } from "./ports.ts";
import type { ProcessDefinition } from "./supervisor.ts";

export interface SystemPorts {
  readonly api: number;
  readonly invoke: number;
  readonly eventStore: number;
  readonly dynamodb: number;
  readonly subscriber: number;
}

export const region = "eu-central-1";
export const stage = "local";
export const tablePrefix = `tidemark-${stage}-`;
export const functionPrefix = `tidemark-${stage}-`;

/** Folder of the project: where `serverless.yml` is. */
export const project = new URL("../../", import.meta.url);

const fileOf = (path: string): string => fileURLToPath(new URL(path, project));

export function eventStoreConnectionString(ports: SystemPorts): string {
  return `esdb://127.0.0.1:${ports.eventStore}?tls=false`;
}

export const endpointAt = (port: number): string => `http://127.0.0.1:${port}`;

export function eventStoreProcess(ports: SystemPorts, dataDirectory: string): ProcessDefinition {
  const words = ["--port", ports.eventStore.toString(), "--data", `${dataDirectory}/event-store`];
  return {
    name: "event-store",
    port: ports.eventStore,
    command: [process.execPath, fileOf("local/eventstoredb/main.ts"), ...words],
    data: `${dataDirectory}/event-store`,
    isReady: () => accepts(ports.eventStore),
  };
}

export const dynamodbDirectory = (dataDirectory: string): string => `${dataDirectory}/dynamodb`;

export function dynamodbProcess(ports: SystemPorts, dataDirectory: string): ProcessDefinition {
  return {
    name: "dynamodb",
    port: ports.dynamodb,
    command: dynamodbCommand(ports.dynamodb, dynamodbDirectory(dataDirectory)),
    data: dynamodbData(dynamodbDirectory(dataDirectory)),
    isReady: async () => (await fetch(endpointAt(ports.dynamodb))).status > 0,
  };
}

export const serverlessCommand = fileOf("node_modules/serverless/bin/serverless.js");

/** It asks nobody anything and reports to nobody. */
export const serverlessEnvironment = {
  SLS_NOTIFICATIONS_MODE: "off",
  SLS_TELEMETRY_DISABLED: "1",
  SLS_INTERACTIVE_SETUP_ENABLE: "0",
};

/** The function runtime: serverless-offline, which bundles the functions and serves their routes and the Invoke API. */
export function functionsProcess(ports: SystemPorts, dataDirectory: string): ProcessDefinition {
  const words = ["offline", "start", "--stage", stage, "--httpPort", ports.api.toString()];
  return {
    name: "functions",
    port: ports.api,
    command: [
      process.execPath,
      serverlessCommand,
      ...words,
      "--lambdaPort",
      ports.invoke.toString(),
      // Never used with this stage, but there must be no second listener on a port that a system beside this one may hold.
      "--albPort",
      "0",
    ],
    environment: {
      ...functionEnvironment(ports),
      // Two systems side by side must not bundle into one folder.
      TIDEMARK_BUILD_FOLDER: relative(fileURLToPath(project), `${dataDirectory}/build`),
      ...serverlessEnvironment,
    },
    isReady: async () => (await accepts(ports.api)) && (await accepts(ports.invoke)),
  };
}

/**
 * Before the function runtime starts: it bundles the functions into the data directory without the packages that they use, and
 * they look for them from there.
 */
export function linkPackages(dataDirectory: string): void {
  const link = join(dataDirectory, "node_modules");
  rmSync(link, { force: true });
  symlinkSync(fileURLToPath(new URL("node_modules", project)), link, "dir");
}

export function subscriberProcess(ports: SystemPorts): ProcessDefinition {
  // Of metrics, which nobody reads here, only the log would grow.
  const words = ["--port", ports.subscriber.toString(), "--no-metrics"];
  return {
    name: "subscriber",
    port: ports.subscriber,
    command: [process.execPath, fileOf("local/subscriber/main.ts"), ...words],
    environment: functionEnvironment(ports),
    isReady: async () => (await fetch(`${endpointAt(ports.subscriber)}/health`)).ok,
  };
}

/** What a deployment gives the functions, for this machine. */
function functionEnvironment(ports: SystemPorts): Record<string, string> {
  return {
    AWS_REGION: region,
    // The local servers check no credentials, but clients insist on having some; real ones must not be used by mistake.
    AWS_ACCESS_KEY_ID: "local",
    AWS_SECRET_ACCESS_KEY: "local",
    AWS_SESSION_TOKEN: "",
    EVENTSTORE_CONNECTION_STRING: eventStoreConnectionString(ports),
    DYNAMODB_ENDPOINT: endpointAt(ports.dynamodb),
    LAMBDA_ENDPOINT: endpointAt(ports.invoke),
    TABLE_PREFIX: tablePrefix,
    FUNCTION_PREFIX: functionPrefix,
  };
}
