/** A proxy before the event store that can swallow, slow down and cut: the faults of a network, on demand. */
import { createServer, connect, type Server, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";

export class CuttingProxy {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  #swallowing = false;
  #delayMs = 0;
  #port = 0;
  /** Bytes that still get through before the cut; infinite while none is due. */
  readonly #left = { requests: Infinity, answers: Infinity };
  readonly #passed = { requests: 0, answers: 0 };
  #cuts = 0;
  #cutting = false;

  private constructor(target: number) {
    this.#server = createServer((client) => {
      const upstream = connect(target, "127.0.0.1");
      for (const socket of [client, upstream]) {
        this.#sockets.add(socket);
        socket.on("error", () => socket.destroy());
        socket.on("close", () => {
          this.#sockets.delete(socket);
          client.destroy();
          upstream.destroy();
        });
      }
      client.on("data", (chunk: Buffer) => this.#pass("requests", chunk, upstream));
      // One after the other: what is slow must not be overtaken by what came when the line was quick again.
      let passed = Promise.resolve();
      let late = 0;
      upstream.on("data", (chunk: Buffer) => {
        if (this.#delayMs === 0 && late === 0) {
          this.#pass("answers", chunk, client);
          return;
        }
        late += 1;
        passed = passed.then(async () => {
          await sleep(this.#delayMs);
          late -= 1;
          this.#pass("answers", chunk, client);
        });
      });
    });
  }

  /** Listens on `port`, or on a free one. */
  static async before(target: number, port = 0): Promise<CuttingProxy> {
    const proxy = new CuttingProxy(target);
    await new Promise<void>((resolve) => proxy.#server.listen(port, "127.0.0.1", resolve));
    const address = proxy.#server.address();
    if (typeof address === "object" && address !== null) proxy.#port = address.port;
    return proxy;
  }

  get connectionString(): string {
    return `esdb://127.0.0.1:${this.#port}?tls=false`;
  }

  /** Bytes that got through so far. */
  get passed(): { readonly requests: number; readonly answers: number } {
    return this.#passed;
  }

  /** How often `cutAfter` has cut. */
  get cuts(): number {
    return this.#cuts;
  }

  /** From now on requests reach the store and answers do not come back. */
  swallowAnswers(): void {
    this.#swallowing = true;
  }

  /** Every piece of an answer comes so much later than the one before it; 0 ends that. */
  delayAnswers(milliseconds: number): void {
    this.#delayMs = milliseconds;
  }

  /** Lets through so many bytes more of one direction, all connections together, and then cuts them; new ones work. */
  cutAfter(direction: "requests" | "answers", bytes: number): void {
    this.#left[direction] = bytes;
  }

  /** Cuts every connection; new ones work. */
  cut(): void {
    this.mend();
    for (const socket of this.#sockets) socket.destroy();
  }

  /** Ends every fault and leaves the connections alone. */
  mend(): void {
    this.#swallowing = false;
    this.#cutting = false;
    this.#delayMs = 0;
    this.#left.requests = Infinity;
    this.#left.answers = Infinity;
  }

  async stop(): Promise<void> {
    const closed = new Promise((resolve) => this.#server.close(resolve));
    this.cut();
    await closed;
  }

  #pass(direction: "requests" | "answers", chunk: Buffer, receiver: Socket): void {
    if (this.#cutting || (this.#swallowing && direction === "answers")) return;
    const left = this.#left[direction];
    const part = chunk.subarray(0, left);
    this.#passed[direction] += part.length;
    this.#left[direction] = left - part.length;
    if (part.length === chunk.length) {
      receiver.write(part);
      return;
    }
    this.#cutting = true;
    this.#cuts += 1;
    // Not before they are written: the bytes that were let through have to arrive.
    receiver.write(part, () => this.cut());
  }
}
