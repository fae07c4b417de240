/** A subscriber beside that of a started system, kept running in the same way. */
import { join } from "node:path";
import { freePorts } from "../../local/system/ports.ts";
import { subscriberProcess } from "../../local/system/processes.ts";
import { Supervisor } from "../../local/system/supervisor.ts";
import type { StartedSystem } from "./started-system.ts";

export class SecondSubscriber {
  readonly #supervisor: Supervisor;

  private constructor(supervisor: Supervisor) {
    this.#supervisor = supervisor;
  }

  /** Resolves when its subscriptions are connected. Its log is in `logs-of-second-subscriber` of the system's data directory. */
  static async start({ dataDirectory, ports }: StartedSystem): Promise<SecondSubscriber> {
    const [api = 0, eventStore = 0, dynamodb = 0, invoke = 0] = ports;
    const [subscriber = 0] = await freePorts(1);
    const supervisor = new Supervisor(join(dataDirectory, "logs-of-second-subscriber"), {
      notice: () => undefined,
      changed: () => undefined,
      failed: (why) => {
        throw new Error(why);
      },
    });
    await supervisor.start(subscriberProcess({ api, eventStore, dynamodb, invoke, subscriber }));
    return new SecondSubscriber(supervisor);
  }

  get pid(): number {
    const [process] = this.#supervisor.processes;
    if (process === undefined) throw new Error("the second subscriber does not run");
    return process.pid;
  }

  stop(): Promise<void> {
    return this.#supervisor.stop();
  }
}
