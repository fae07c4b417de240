/**
 * Lambda as a process sees it: the real client, whose invocations run the function's code in this process, one at a time in an
 * instance, each instance a process of its own that may die.
 */
import { LambdaClient } from "@aws-sdk/client-lambda";
import type { BatchResponse } from "../../engine/delivery/event-record.ts";
import type { FailureResponse } from "../../engine/delivery/function-payload.ts";
import type { ServiceContext } from "./dynamodb-service.ts";
import {
  endpointIs,
  type HttpAnswer,
  httpClientOf,
  type HttpRequest,
  requestFrom,
  trimmed,
  withConnection,
} from "./simulated-http.ts";
import { never, SimulatedProcess } from "./simulated-process.ts";

export type FunctionResponse = BatchResponse | FailureResponse;
export type FunctionCode = (payload: unknown) => Promise<FunctionResponse>;

interface Instance {
  readonly process: SimulatedProcess;
  readonly code: FunctionCode;
  isBusy: boolean;
}

/** What the deployment says; below the time that the subscriber waits. */
const functionTimeoutMs = 20_000;

export class FunctionService {
  readonly #context: ServiceContext;
  readonly #start: (functionName: string, process: SimulatedProcess) => FunctionCode;
  readonly #instances = new Map<string, Instance[]>();
  readonly #client: LambdaClient;
  #started = 0;
  #running = 0;

  constructor(context: ServiceContext, start: (functionName: string, process: SimulatedProcess) => FunctionCode) {
    this.#context = context;
    this.#start = start;
    const client = new LambdaClient({
      region: "eu-central-1",
      endpoint: "http://lambda.simulation",
      endpointProvider: endpointIs("lambda.simulation"),
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
      // As `connectLambda` sets it.
      maxAttempts: 1,
    });
    this.#client = trimmed(client);
  }

  /** Invocations under way. */
  get running(): number {
    return this.#running;
  }

  connect(process: SimulatedProcess): LambdaClient {
    const handler = httpClientOf(process, undefined, (request) => this.#invoked(process, request));
    return withConnection(this.#client, handler);
  }

  /** Those that are busy end what they do; what is invoked from now on is started anew. */
  replaceInstances(): void {
    this.#instances.clear();
  }

  close(): void {
    this.#client.destroy();
  }

  async #invoked(caller: SimulatedProcess, request: HttpRequest): Promise<HttpAnswer> {
    const functionName = /functions\/([^/]+)\/invocations/.exec(request.path)?.[1] ?? "";
    const payload = requestFrom(request);
    const { faults } = this.#context;
    const where = `${caller.name} invokes ${functionName}`;
    await pause(faults.ms(1, 4));
    const fault = faults.oneOf(
      {
        "function throttled": 0.02,
        "function not reached": 0.02,
        "invocation twice": 0.04,
        "answer lost": 0.03,
        "answer never comes": 0.015,
        "malformed answer": 0.03,
      },
      where,
    );
    switch (fault) {
      case "function throttled":
        return refusal(429, "TooManyRequestsException");
      case "function not reached":
        throw Object.assign(new Error("connect ECONNREFUSED"), { code: "ECONNREFUSED" });
      case "malformed answer":
        return { statusCode: 200, body: malformedAnswers[faults.between(0, malformedAnswers.length - 1)] ?? "" };
      case "invocation twice":
        setTimeout(() => void this.#run(functionName, payload), faults.ms(0, 3_000));
        break;
      default:
    }
    const answer = await this.#run(functionName, payload);
    if (fault === "answer never comes") return never();
    if (fault === "answer lost") throw Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });
    return answer;
  }

  /** Never rejects: what the function throws, its death and its time-out are answers of the service. */
  async #run(functionName: string, payload: string): Promise<HttpAnswer> {
    const { trace } = this.#context;
    const instance = this.#instanceOf(functionName);
    const { process } = instance;
    instance.isBusy = true;
    this.#running += 1;
    const died = new Promise<HttpAnswer>((resolve) => {
      process.onCrash(() => resolve(failed("Runtime exited")));
    });
    const timer = setTimeout(() => process.crash(), functionTimeoutMs);
    const answered = instance.code(JSON.parse(payload)).then(
      (response) => ({ statusCode: 200, body: JSON.stringify(this.#reported(process.name, response)) }),
      (error: unknown) => failed(String(error)),
    );
    const answer = await Promise.race([answered, died]);
    clearTimeout(timer);
    instance.isBusy = false;
    this.#running -= 1;
    trace.note(`${process.name} ends: ${answer.body.slice(0, 200)}`);
    return answer;
  }

  /** A function may report a stream's first failure alone, as Lambda allows: what is behind it has failed too. */
  #reported(name: string, response: FunctionResponse): FunctionResponse {
    const { faults } = this.#context;
    if ("failure" in response) return response;
    if (response.batchItemFailures.length === 0 || !faults.happens("first failures only", 0.5, name)) return response;
    const first = new Map<string, { readonly itemIdentifier: string }>();
    for (const failure of response.batchItemFailures) {
      const stream = failure.itemIdentifier.slice(failure.itemIdentifier.indexOf("@"));
      if (!first.has(stream)) first.set(stream, failure);
    }
    return { batchItemFailures: [...first.values()] };
  }

  #instanceOf(functionName: string): Instance {
    const instances = (this.#instances.get(functionName) ?? []).filter(({ process }) => process.isAlive);
    this.#instances.set(functionName, instances);
    const idle = instances.find(({ isBusy }) => !isBusy);
    if (idle !== undefined) return idle;
    this.#started += 1;
    const process = new SimulatedProcess(`${functionName}.${this.#started}`);
    const started: Instance = { process, code: this.#start(functionName, process), isBusy: false };
    instances.push(started);
    return started;
  }
}

const malformedAnswers = ["", "null", "{}", '{"batchItemFailures":null}', "<html>", '{"batchItemFailures":[{}]}'];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const refusal = (statusCode: number, type: string): HttpAnswer => ({
  statusCode,
  headers: { "x-amzn-errortype": type },
  body: JSON.stringify({ message: type }),
});

const failed = (message: string): HttpAnswer => ({
  statusCode: 200,
  headers: { "x-amz-function-error": "Unhandled" },
  body: JSON.stringify({ errorType: "Error", errorMessage: message }),
});
