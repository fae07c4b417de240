/** The Lambda Invoke API as a function instance uses it: one client, and the names of the deployment's functions. */
import { LambdaClient } from "@aws-sdk/client-lambda";
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
  // The local Invoke API checks no credentials but the client insists on signing with some.
  const local =
    endpoint === undefined ? {} : { endpoint, credentials: { accessKeyId: "local", secretAccessKey: "local" } };
  return { lambda: new LambdaClient({ region, ...local }), functionName: (name) => `${prefix}${name}` };
}
