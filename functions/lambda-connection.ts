/** The Lambda Invoke API as a function instance uses it: one client, and the names of the deployment's functions. */
import type { LambdaClient } from "@aws-sdk/client-lambda";
import { connectLambda } from "../engine/delivery/function-invocation.ts";
import { invocationSettings, readSettings } from "./settings.ts";

interface Invocation {
  readonly lambda: LambdaClient;
  /** The deployed name of a function of this project. */
  readonly functionName: (name: string) => string;
}

let connection: Invocation | undefined;

/** Throws SettingsError. The same connection at every call. */
export function invocation(): Invocation {
  connection ??= connect();
  return connection;
}

function connect(): Invocation {
  const { AWS_REGION: region, LAMBDA_ENDPOINT: endpoint, FUNCTION_PREFIX: prefix } = readSettings(invocationSettings);
  const lambda = connectLambda({ region, ...(endpoint === undefined ? {} : { endpoint }) });
  return { lambda, functionName: (name) => `${prefix}${name}` };
}
