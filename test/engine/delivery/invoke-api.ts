/** The Lambda Invoke API over HTTP before a function that does what a test wants: answers, fails, crashes, hangs. */
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connectLambda } from "../../../engine/delivery/function-invocation.ts";
import { itemIdentifier } from "../../../engine/delivery/event-record.ts";
import { decodePayload } from "../../../engine/delivery/function-payload.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";

/** What an invocation comes to. */
export type Behaviour =
  /** The answer as it is. */
  | { readonly answer: string }
  /** These items have failed. */
  | { readonly failed: readonly string[] }
  /** The function threw: Lambda says so in a header. */
  | { readonly threw: string; readonly named?: string }
  /** The service answers with this status, and the function did not run. */
  | { readonly status: number; readonly errorType: string }
  /** Breaks after the request was taken, or never answers. */
  | { readonly connection: "breaks" | "hangs" };

export type FunctionForTest = (events: readonly StoredEvent[]) => Behaviour | Promise<Behaviour>;

export const succeeds: FunctionForTest = () => ({ failed: [] });

export class InvokeApi {
  readonly #server: Server;
  #behave: FunctionForTest = succeeds;
  /** Item identifiers of each invocation, in the order of their arrival. */
  readonly invocations: string[][] = [];
  /** Payloads of invocations that nobody waits for. */
  readonly asynchronous: unknown[] = [];
  /** Item identifiers of the events that were told to have failed. */
  readonly failures: string[] = [];
  #answerToFailure: (item: string) => string = () => JSON.stringify({ failure: "failed" });
  /** How many are under way. */
  running = 0;
  mostRunning = 0;

  private constructor() {
    this.#server = createServer((request, response) => void this.#invoked(request, response));
  }

  static async start(): Promise<InvokeApi> {
    const api = new InvokeApi();
    await new Promise<void>((resolve) => api.#server.listen(0, "127.0.0.1", resolve));
    return api;
  }

  get endpoint(): string {
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  connect(): ReturnType<typeof connectLambda> {
    return connectLambda({ region: "eu-central-1", endpoint: this.endpoint });
  }

  /** From now on the function is this one. */
  behave(behave: FunctionForTest): void {
    this.#behave = behave;
  }

  /** What the function answers when it is told that an event has failed; by default that it is to be tried again. */
  answerToFailure(answer: (item: string) => string): void {
    this.#answerToFailure = answer;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }

  async #invoked(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk as Buffer);
    const body: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (request.headers["x-amz-invocation-type"] === "Event") {
      this.asynchronous.push(body);
      response.writeHead(202).end();
      return;
    }
    const payload = decodePayload(body);
    if (payload.asks === "count-failure") {
      const item = itemIdentifier(payload.attempt);
      this.failures.push(item);
      response.end(this.#answerToFailure(item));
      return;
    }
    if (payload.asks === "catch-up") throw new Error("a subscription asks for no such thing");
    const { events } = payload;
    this.invocations.push(events.map(itemIdentifier));
    this.running += 1;
    this.mostRunning = Math.max(this.mostRunning, this.running);
    const behaviour = await this.#behave(events);
    this.running -= 1;
    if ("connection" in behaviour) {
      if (behaviour.connection === "breaks") request.socket.destroy();
    } else if ("answer" in behaviour) response.end(behaviour.answer);
    else if ("failed" in behaviour) {
      const batchItemFailures = behaviour.failed.map((item) => ({ itemIdentifier: item }));
      response.end(JSON.stringify({ batchItemFailures }));
    } else if ("threw" in behaviour) {
      response.setHeader("x-amz-function-error", "Unhandled");
      response.end(JSON.stringify({ errorType: behaviour.named ?? "Error", errorMessage: behaviour.threw }));
    } else {
      response.writeHead(behaviour.status, { "x-amzn-errortype": behaviour.errorType });
      response.end(JSON.stringify({ message: behaviour.errorType }));
    }
  }
}
