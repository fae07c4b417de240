/** One synchronous invocation by the Lambda Invoke API, with a deadline of ours, and what its answer says about the batch. */
import { InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";
import { z } from "zod";
import { fromJson } from "../json/from-json.ts";
import type { FailedAttempt } from "../quarantine/quarantine-record.ts";
import { encodePayload } from "./event-record.ts";
import {
  catchUpAnswerSchema,
  type CatchUpResponse,
  encodeCatchUp,
  encodeFailure,
  failureAnswerSchema,
  type StreamRevision,
} from "./function-payload.ts";

/**
 * - `answered`: the function ran to its end; `failed` are the items that it reports, a subset of those sent.
 * - `failed`: it may have run, and no item can be said to have had its effect. One of the items may be the culprit.
 * - `unreachable`: it did not run, through no fault of the batch: nobody answers, or it is throttled.
 */
export type InvocationOutcome =
  | { readonly outcome: "answered"; readonly failed: ReadonlySet<string> }
  | { readonly outcome: "failed"; readonly error: FunctionFailedError }
  | { readonly outcome: "unreachable"; readonly error: unknown };

export class FunctionFailedError extends Error {
  override readonly name = "FunctionFailedError";
  readonly code: "FUNCTION_ERROR" | "FUNCTION_ANSWER_MALFORMED" | "FUNCTION_NO_ANSWER" | "FUNCTION_PAYLOAD_REFUSED";
  /** What the function itself threw, by its name. */
  readonly thrown: string | undefined;

  constructor(code: FunctionFailedError["code"], message: string, options: ErrorOptions & { thrown?: string } = {}) {
    super(message, options);
    this.code = code;
    this.thrown = options.thrown;
  }

  /** Whether the function has said that it could not begin, so that no event can be at fault. */
  get isOfSurroundings(): boolean {
    return this.thrown !== undefined && surroundings.has(this.thrown);
  }
}

/** What our functions throw for want of a store, a table, a setting or a deployment, by name. */
const surroundings: ReadonlySet<string> = new Set([
  "EventStoreUnavailableError",
  "SettingsError",
  "SettingsUnavailableError",
  "VersionNotDeployedError",
  "ViewNotPreparedError",
  "ViewsUnavailableError",
]);

export interface LambdaSettings {
  readonly region: string;
  /** Only on one machine; absent on AWS. */
  readonly endpoint?: string;
}

/** A client that tries once: repeating an invocation is the lane's business, which knows what its streams wait for. */
export function connectLambda({ region, endpoint }: LambdaSettings): LambdaClient {
  // The local Invoke API checks no credentials but the client insists on signing with some.
  const local =
    endpoint === undefined ? {} : { endpoint, credentials: { accessKeyId: "local", secretAccessKey: "local" } };
  return new LambdaClient({ region, ...local, maxAttempts: 1, requestHandler: { connectionTimeout: 2_000 } });
}

export interface Invocation {
  readonly functionName: string;
  readonly timeoutMs: number;
  /** The records' JSON, by item identifier. */
  readonly records: ReadonlyMap<string, string>;
  /** Gives the invocation up: its answer no longer counts. */
  readonly signal: AbortSignal;
}

/** Never throws. */
export async function invokeFunction(lambda: LambdaClient, invocation: Invocation): Promise<InvocationOutcome> {
  const { functionName, records } = invocation;
  const called = await call(lambda, { ...invocation, payload: encodePayload([...records.values()]) });
  return called.outcome === "ran" ? outcomeOfAnswer(functionName, called.answer, records) : called;
}

/**
 * Tells the function that an event ended its invocation. True when it answers that the event is given up, in so many words: a
 * function that knows nothing of failures has not done so, whatever it answers. Never throws.
 */
export async function reportFailure(
  lambda: LambdaClient,
  invocation: Omit<Invocation, "records">,
  attempt: FailedAttempt,
): Promise<boolean> {
  const called = await call(lambda, { ...invocation, payload: encodeFailure(attempt) });
  return called.outcome === "ran" && failureAnswerSchema.safeParse(fromJson(called.answer)).data?.failure === "waiting";
}

/**
 * Asks a projector to bring a stream up to a revision. Undefined when it gave no such answer: it failed, could not be reached or
 * knows of no such thing. Never throws.
 */
export async function askToCatchUp(
  lambda: LambdaClient,
  invocation: Omit<Invocation, "records">,
  upTo: StreamRevision,
): Promise<CatchUpResponse | undefined> {
  const called = await call(lambda, { ...invocation, payload: encodeCatchUp(upTo) });
  return called.outcome === "ran" ? catchUpAnswerSchema.safeParse(fromJson(called.answer)).data : undefined;
}

type Called =
  { readonly outcome: "ran"; readonly answer: string } | Exclude<InvocationOutcome, { outcome: "answered" }>;

async function call(
  lambda: LambdaClient,
  { functionName, timeoutMs, payload, signal }: Omit<Invocation, "records"> & { readonly payload: string },
): Promise<Called> {
  const command = new InvokeCommand({
    FunctionName: functionName,
    InvocationType: "RequestResponse",
    Payload: Buffer.from(payload),
  });
  try {
    const abortSignal = AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]);
    const { FunctionError, Payload } = await lambda.send(command, { abortSignal });
    const answer = Payload?.transformToString() ?? "";
    if (FunctionError === undefined) return { outcome: "ran", answer };
    const message = `function ${functionName} failed: ${answer.slice(0, 1_000)}`;
    const thrown = thrownSchema.safeParse(fromJson(answer)).data?.errorType;
    const options = thrown === undefined ? {} : { thrown };
    return { outcome: "failed", error: new FunctionFailedError("FUNCTION_ERROR", message, options) };
  } catch (error) {
    return outcomeOfError(functionName, error);
  }
}

const thrownSchema = z.object({ errorType: z.string() });

const answerSchema = z.object({ batchItemFailures: z.array(z.object({ itemIdentifier: z.string().min(1) })) });

/**
 * As Lambda reads it, but for one thing: Lambda takes an empty answer for success, and a function that answers nothing
 * would have its events acknowledged unseen. Here an answer without a list is malformed.
 */
function outcomeOfAnswer(
  functionName: string,
  answer: string,
  records: ReadonlyMap<string, string>,
): InvocationOutcome {
  const parsed = answerSchema.safeParse(fromJson(answer));
  const failed = new Set(parsed.data?.batchItemFailures.map(({ itemIdentifier }) => itemIdentifier));
  const unknown = [...failed].find((item) => !records.has(item));
  if (parsed.success && unknown === undefined) return { outcome: "answered", failed };
  const why = unknown === undefined ? "no list batchItemFailures" : `item ${unknown}, which was not sent`;
  const message = `function ${functionName} answered ${why}: ${answer.slice(0, 200)}`;
  return { outcome: "failed", error: new FunctionFailedError("FUNCTION_ANSWER_MALFORMED", message) };
}

const notReachedCodes: ReadonlySet<string> = new Set([
  "ECONNREFUSED",
  "EAI_AGAIN",
  "ENOTFOUND",
  "EHOSTUNREACH",
  "ENETUNREACH",
]);

const payloadTooLarge = 413;

function statusOf(error: Error): unknown {
  const metadata: unknown = "$metadata" in error ? error.$metadata : undefined;
  return typeof metadata === "object" && metadata !== null && "httpStatusCode" in metadata
    ? metadata.httpStatusCode
    : undefined;
}

/** A connection that breaks after the request went out is no sign of an outage: the batch itself may have killed the function. */
function outcomeOfError(functionName: string, error: unknown): Exclude<Called, { outcome: "ran" }> {
  if (!(error instanceof Error)) return { outcome: "unreachable", error };
  const { name, message } = error;
  if (name === "RequestTooLargeException" || statusOf(error) === payloadTooLarge) {
    const refused = `the payload is too large for function ${functionName}`;
    return { outcome: "failed", error: new FunctionFailedError("FUNCTION_PAYLOAD_REFUSED", refused, { cause: error }) };
  }
  const code = "code" in error ? error.code : undefined;
  const notReached = typeof code === "string" && notReachedCodes.has(code);
  const refusedByService = statusOf(error) !== undefined;
  const notConnected = name === "TimeoutError" && message.includes("connection");
  if (notReached || refusedByService || notConnected) return { outcome: "unreachable", error };
  const unanswered = `function ${functionName} gave no answer: ${message}`;
  return { outcome: "failed", error: new FunctionFailedError("FUNCTION_NO_ANSWER", unanswered, { cause: error }) };
}
