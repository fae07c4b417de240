/** The test's end of a process that sends commands: see `command-client.ts`. */
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import type { Answer, FromClient, Order, ToClient } from "./command-client.ts";

export class ClientProcess {
  readonly #child: ChildProcess;
  readonly #ended: Promise<never>;

  private constructor() {
    this.#child = fork(join(import.meta.dirname, "command-client.ts"), {
      execArgv: [],
      // Revisions are bigint, which JSON has not.
      serialization: "advanced",
    });
    this.#ended = once(this.#child, "exit").then(([code]) => {
      throw new Error(`the client's process ended with ${String(code)}`);
    });
    // Only who waits for the process has to hear of its end.
    this.#ended.catch(() => undefined);
  }

  static async connected(connectionString: string): Promise<ClientProcess> {
    const client = new ClientProcess();
    await client.connect(connectionString);
    return client;
  }

  async connect(connectionString: string): Promise<void> {
    await this.#ask({ what: "connect", connectionString });
  }

  /** Resolves with the answer, or with `undefined` when the process waits where it was told to. */
  async begin(order: Order): Promise<Answer | undefined> {
    return answerIn(await this.#ask({ what: "send", order }));
  }

  async goOn(): Promise<Answer> {
    const answer = answerIn(await this.#ask({ what: "go-on" }));
    if (answer === undefined) throw new Error("the client's process waits once more");
    return answer;
  }

  async send(order: Omit<Order, "waits">): Promise<Answer> {
    const answer = await this.begin(order);
    if (answer === undefined) throw new Error("the client's process waits without being told to");
    return answer;
  }

  async stop(): Promise<void> {
    const exited = once(this.#child, "exit");
    this.#child.disconnect();
    await exited;
  }

  async #ask(message: ToClient): Promise<FromClient> {
    const reply = once(this.#child, "message");
    this.#child.send(message);
    // Nobody but command-client.ts sends messages here.
    const [told] = (await Promise.race([reply, this.#ended])) as [FromClient];
    return told;
  }
}

function answerIn(told: FromClient): Answer | undefined {
  return told.what === "answered" ? told.answer : undefined;
}

/**
 * Sends one order from each client. When all of them wait where they were told to, or have their answer, `meanwhile` runs
 * and they go on together.
 */
export async function together(
  clients: readonly ClientProcess[],
  orderOf: (index: number) => Order,
  meanwhile: () => Promise<void> | void = () => undefined,
): Promise<Answer[]> {
  const begun = await Promise.all(clients.map((client, index) => client.begin(orderOf(index))));
  await meanwhile();
  return Promise.all(clients.map(async (client, index) => begun[index] ?? client.goOn()));
}
