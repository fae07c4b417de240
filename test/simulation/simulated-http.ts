/** The HTTP connection under a client of the AWS SDK, as far as the clients that the engine uses need it. */
import { never, type SimulatedProcess } from "./simulated-process.ts";

export interface HttpRequest {
  readonly path: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body?: unknown;
}

export interface HttpAnswer {
  readonly statusCode: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body: string;
}

interface HandlerOptions {
  readonly abortSignal?: Pick<AbortSignal, "aborted" | "addEventListener" | "removeEventListener">;
}

const named = (name: string, message: string): Error => Object.assign(new Error(message), { name });

/**
 * What the SDK calls a request handler. A request that has gone out takes its course, whether its sender waits for the answer
 * or not.
 * @param timeoutMs longest wait for an answer, as the SDK's own handler has it; undefined: for ever
 */
export function httpClientOf(
  process: SimulatedProcess,
  timeoutMs: number | undefined,
  requested: (request: HttpRequest) => Promise<HttpAnswer>,
) {
  const handle = (request: HttpRequest, { abortSignal }: HandlerOptions = {}): Promise<{ response: object }> =>
    new Promise((resolve, reject) => {
      const aborted = (): void => settle(() => reject(named("AbortError", "Request aborted")));
      const timer =
        timeoutMs === undefined
          ? undefined
          : setTimeout(() => settle(() => reject(named("TimeoutError", "the request took too long"))), timeoutMs);
      const settle = (how: () => void): void => {
        clearTimeout(timer);
        abortSignal?.removeEventListener("abort", aborted);
        if (process.isAlive) how();
      };
      if (abortSignal?.aborted === true) {
        aborted();
        return;
      }
      abortSignal?.addEventListener("abort", aborted);
      (process.isAlive ? requested(request) : never<HttpAnswer>()).then(
        ({ statusCode, headers = {}, body }) =>
          settle(() => resolve({ response: { statusCode, headers, body: Buffer.from(body) } })),
        (error: unknown) => settle(() => reject(error instanceof Error ? error : new Error(String(error)))),
      );
    });
  return {
    handle,
    destroy: () => undefined,
    metadata: { handlerProtocol: "http/1.1" },
    updateHttpClientConfig: () => undefined,
    httpHandlerConfigs: () => ({}),
  };
}

/** What a client of the SDK consists of, as far as it matters here. */
interface SdkClient {
  readonly config: {
    readonly endpointProvider?: unknown;
    readonly endpoint?: unknown;
    readonly isCustomEndpoint?: unknown;
  };
}

/**
 * The client as another process has it: the same settings, another connection. A client that is made anew works out its settings
 * anew, and that takes longer than a history has.
 */
export function withConnection<Client extends SdkClient>(client: Client, requestHandler: object): Client {
  const { endpointProvider, endpoint, isCustomEndpoint } = client.config;
  // The SDK copies a client's own settings three times a request: only what it needs in the copies is one, all else inherited.
  const own = { requestHandler, endpointProvider, endpoint, isCustomEndpoint };
  Object.setPrototypeOf(own, client.config);
  // A client and nothing else: all but its connection is inherited.
  return Object.create(client, { config: { value: own } }) as Client;
}

interface MiddlewareStack {
  remove(name: string): boolean;
}

const ofNoConcern = [
  "contentLengthMiddleware",
  "getUserAgentMiddleware",
  "hostHeaderMiddleware",
  "httpSigningMiddleware",
  "loggerMiddleware",
  "recursionDetectionMiddleware",
];

/** What nobody looks at here, signatures above all, is half of what a request costs. Retries and errors stay as they are. */
export function trimmed<Client extends { readonly middlewareStack: MiddlewareStack }>(client: Client): Client {
  for (const name of ofNoConcern) {
    if (!client.middlewareStack.remove(name)) throw new Error(`the SDK has no middleware ${name} any more`);
  }
  return client;
}

/** Where requests go is the same for all: the SDK's rules would be asked at each of them. */
export const endpointIs = (host: string) => () => ({ url: new URL(`http://${host}`) });

export function requestFrom({ body }: HttpRequest): string {
  if (typeof body === "string") return body;
  return body instanceof Uint8Array ? new TextDecoder().decode(body) : "";
}
