/** What a subscriber does, as metrics: a document per subscription and minute. What it says of itself ends with it; the lag does not. */
import { embeddedMetrics } from "../metrics/embedded-metrics.ts";
import { lagSeconds } from "./lag.ts";
import type { SubscriptionStatus } from "./subscription.ts";

const everyMs = 60_000;

type Counters = Pick<SubscriptionStatus, "acknowledged" | "invocations" | "failedInvocations">;

const none: Counters = { acknowledged: 0, invocations: 0, failedInvocations: 0 };

export interface SubscriberMetricsOptions {
  readonly deployment: string;
  /** What the names of triggers begin with and a metric's dimension does not. */
  readonly prefix: string;
  readonly status: () => readonly SubscriptionStatus[];
  /** Takes a document without its line end. */
  readonly write: (document: string) => void;
}

export class SubscriberMetrics {
  readonly #options: SubscriberMetricsOptions;
  readonly #told = new Map<string, Counters>();
  #timer: NodeJS.Timeout | undefined;

  constructor(options: SubscriberMetricsOptions) {
    this.#options = options;
  }

  /** Writes once a minute from now on. */
  start(): void {
    this.#timer ??= setInterval(() => this.write(), everyMs);
    this.#timer.unref();
  }

  /** Writes what has come since the last time, and no more. */
  stop(): void {
    if (this.#timer === undefined) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
    this.write();
  }

  /** Gauges as they are, counters as what has come since the last time: of several hosts at once the sums are right. */
  write(now = new Date()): void {
    const { deployment, prefix, status, write } = this.#options;
    for (const each of status()) {
      const { name, connected, held, inFlight, waiting, oldestHeldAt } = each;
      const before = this.#told.get(name) ?? none;
      this.#told.set(name, each);
      const Subscription = name.startsWith(prefix) ? name.slice(prefix.length) : name;
      const oldest = oldestHeldAt === undefined ? {} : { oldestAt: new Date(oldestHeldAt) };
      const document = embeddedMetrics({
        dimensions: { Deployment: deployment, Subscription },
        counts: {
          Connected: connected ? 1 : 0,
          Held: held,
          InFlight: inFlight,
          WaitingForRetry: waiting,
          Acknowledged: each.acknowledged - before.acknowledged,
          Batches: each.invocations - before.invocations,
          FailedBatches: each.failedInvocations - before.failedInvocations,
        },
        seconds: { OldestHeldSeconds: lagSeconds(oldest, now) },
        timestampMs: now.getTime(),
      });
      write(document);
    }
  }
}
