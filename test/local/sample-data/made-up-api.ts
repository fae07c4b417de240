/** An HTTP API that answers as a test says, or not at all, and keeps what it was sent. */
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import type { AddressInfo } from "node:net";

export interface Received {
  readonly method: string;
  readonly path: string;
  readonly key: string | undefined;
}

/** What to answer; `undefined` leaves the request without an answer. */
export type Answering = (
  received: Received,
  all: readonly Received[],
) =>
  | Promise<{ status: number; body?: unknown } | undefined>
  | { readonly status: number; readonly body?: unknown }
  | undefined;

export class MadeUpApi {
  readonly received: Received[] = [];
  answering: Answering;
  #server: Server | undefined;
  #port = 0;

  constructor(answering: Answering) {
    this.answering = answering;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#port}`;
  }

  /** On the port that it had before, if it had one. */
  async open(): Promise<void> {
    const server = createServer((request, response) => {
      void (async () => {
        request.resume();
        const { method = "", url: path = "", headers } = request;
        const received = { method, path, key: headers["idempotency-key"]?.toString() };
        this.received.push(received);
        const answer = await this.answering(received, this.received);
        if (answer === undefined) return;
        const { status, body = {} } = answer;
        response.writeHead(status).end(typeof body === "string" ? body : JSON.stringify(body));
      })();
    });
    server.listen(this.#port, "127.0.0.1");
    await once(server, "listening");
    this.#port = (server.address() as AddressInfo).port;
    this.#server = server;
  }

  async close(): Promise<void> {
    const server = this.#server;
    if (server === undefined) return;
    this.#server = undefined;
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
  }
}

export const problem = (status: number, code: string, detail: string, rest: object = {}) => ({
  status,
  body: { type: "urn:tidemark:problem:x", title: "Title", status, detail, code, ...rest },
});
