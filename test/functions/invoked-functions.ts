import { createServer, type Server } from "node:http";

/** As Lambda calls it. */
export type Handler = (payload: unknown) => Promise<unknown>;

/** The Invoke API before functions themselves, by their deployed names. */
export class InvokedFunctions {
  readonly invoked: string[] = [];
  readonly handlers = new Map<string, Handler>();
  readonly #server: Server;
  /** What becomes of the next invocations; by default they run. */
  behave: "runs" | "is not there" | "hangs" = "runs";

  constructor() {
    this.#server = createServer((request, response) => {
      const name = /functions\/([^/]+)\/invocations/.exec(request.url ?? "")?.[1] ?? "";
      this.invoked.push(name);
      const chunks: Buffer[] = [];
      request.on("data", (chunk: Buffer) => chunks.push(chunk));
      request.on("end", () => {
        if (this.behave === "hangs") return;
        const handler = this.behave === "runs" ? this.handlers.get(name) : undefined;
        if (handler === undefined) {
          response.writeHead(404, { "x-amzn-errortype": "ResourceNotFoundException" }).end("{}");
          return;
        }
        void handler(JSON.parse(Buffer.concat(chunks).toString())).then((answer) => {
          response.end(JSON.stringify(answer));
        });
      });
    });
  }

  async start(): Promise<string> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
    const address = this.#server.address();
    return `http://127.0.0.1:${typeof address === "object" && address !== null ? address.port : 0}`;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.#server.closeAllConnections();
    await closed;
  }
}
