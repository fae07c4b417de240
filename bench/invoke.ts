import { InvokeCommand, type LambdaClient } from "@aws-sdk/client-lambda";

/** One synchronous invocation by the plain client; what the function answers. Throws when it failed. */
export async function invoke(lambda: LambdaClient, functionName: string, payload: string): Promise<unknown> {
  const { FunctionError, Payload } = await lambda.send(
    new InvokeCommand({ FunctionName: functionName, Payload: Buffer.from(payload) }),
  );
  const answer = Payload?.transformToString() ?? "";
  if (FunctionError !== undefined) throw new Error(`function ${functionName} failed: ${answer}`);
  return JSON.parse(answer);
}
