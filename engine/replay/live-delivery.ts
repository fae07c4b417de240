/**
 * Whether live delivery into the views that a replay rebuilds is behind: then their readers see old rows, and the replay, which
 * nobody waits for at the second, leaves event store and DynamoDB to it. Told by the guards: of events that were the newest a
 * moment ago, the live generation has not applied most. Few that it lacks are streams in quarantine, and nothing to wait for.
 */
import { isTombstone, type StoredEvent } from "../event-store/stored-event.ts";
import { liveGeneration } from "../views/catalog.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import { notApplied } from "../delivery/view-lag.ts";
import type { ReplayContext } from "./replay-context.ts";

export interface WatchedView {
  readonly name: string;
  /** The deployed ones of its projection. */
  readonly versions: readonly [Projection, ...Projection[]];
}

export interface LiveDeliveryOptions {
  readonly views: readonly WatchedView[];
  /** Between two looks, in which what came in must have been applied. */
  readonly lookEveryMs: number;
  /** It is found to be behind, having been up to date until then. */
  readonly onBehind?: () => void;
}

const eventsLookedAt = 100;

export class LiveDelivery {
  readonly #context: Pick<ReplayContext, "eventStore" | "dynamodb" | "catalog">;
  readonly #options: LiveDeliveryOptions;
  #newest: readonly StoredEvent[] = [];
  #isBehind = false;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(context: Pick<ReplayContext, "eventStore" | "dynamodb" | "catalog">, options: LiveDeliveryOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** As it was at the last look. Begins the next when it is time; nobody waits for it. */
  isBehind = (): boolean => {
    const isTime = performance.now() - this.#lookedAt >= this.#options.lookEveryMs;
    if (isTime && this.#looking === undefined && this.#options.views.length > 0) this.#looking = this.#look();
    return this.#isBehind;
  };

  /** Resolves when no look is under way any more. */
  async settle(): Promise<void> {
    await this.#looking;
  }

  async #look(): Promise<void> {
    try {
      const cameIn = this.#newest;
      this.#newest = await this.#context.eventStore.newest(eventsLookedAt);
      const lacking = await Promise.all(this.#options.views.map((view) => this.#lacksMostOf(cameIn, view)));
      const isBehind = lacking.includes(true);
      if (isBehind && !this.#isBehind) this.#options.onBehind?.();
      this.#isBehind = isBehind;
    } catch {
      // Whatever it is, the replay meets it too, and tells it; and where live rows cannot be told there is nothing to give way to.
      this.#isBehind = false;
    } finally {
      this.#lookedAt = performance.now();
      this.#looking = undefined;
    }
  }

  async #lacksMostOf(cameIn: readonly StoredEvent[], { name, versions }: WatchedView): Promise<boolean> {
    const [deployed] = versions;
    const ofView = cameIn.filter((event) => readsStream(deployed, event.stream) && !isTombstone(event));
    if (ofView.length === 0) return false;
    const live = liveGeneration(await this.#context.catalog.read(name));
    // Nothing is delivered into one that stands still, however far it is behind.
    if (live === undefined || live.paused !== undefined) return false;
    const { events } = await notApplied(this.#context, { name, versions }, ofView);
    return events.length > ofView.length / 2;
  }
}
