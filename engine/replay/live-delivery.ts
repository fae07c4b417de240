/**
 * Whether live delivery into the views that a replay rebuilds is behind: then their readers see old rows, and the replay, which
 * nobody waits for at the second, leaves event store and DynamoDB to it. Told by the guards: of the view's events that were the
 * newest a moment ago, the live generation has not applied most. Few that it lacks are streams in quarantine, and nothing to
 * wait for; and what it does not catch up with for long, it does not for want of room. A view of whose events there are few
 * among the newest is not given way to.
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
  /** How long it is given way to before it is held for standing still. */
  readonly longestMs: number;
  /** It is found to be behind, having been up to date until then. */
  readonly onBehind?: () => void;
}

/** Of the whole log, and of a view among those. */
const eventsLookedAt = 500;
const eventsJudged = 20;
/** Fewer that are missing are streams that wait. */
const fewestMissing = 10;
/** How many times as long it is between two looks then. */
const whileBehind = 4;

export class LiveDelivery {
  readonly #context: Pick<ReplayContext, "eventStore" | "dynamodb" | "catalog">;
  readonly #options: LiveDeliveryOptions;
  #newest: readonly StoredEvent[] = [];
  #behindSince: number | undefined;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(context: Pick<ReplayContext, "eventStore" | "dynamodb" | "catalog">, options: LiveDeliveryOptions) {
    this.#context = context;
    this.#options = options;
  }

  /** As it was at the last look. Begins the next when it is time; nobody waits for it. */
  isBehind = (): boolean => {
    const { lookEveryMs } = this.#options;
    // A look costs what it is to leave: seldom while it is behind.
    const next = this.#behindSince === undefined ? lookEveryMs : lookEveryMs * whileBehind;
    const isTime = performance.now() - this.#lookedAt >= next;
    if (isTime && this.#looking === undefined && this.#options.views.length > 0) this.#looking = this.#look();
    const since = this.#behindSince;
    return since !== undefined && performance.now() - since < this.#options.longestMs;
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
      if (!lacking.includes(true)) this.#behindSince = undefined;
      else if (this.#behindSince === undefined) {
        this.#behindSince = performance.now();
        this.#options.onBehind?.();
      }
    } catch {
      // Whatever it is, the replay meets it too, and tells it; and where live rows cannot be told there is nothing to give way to.
      this.#behindSince = undefined;
    } finally {
      this.#lookedAt = performance.now();
      this.#looking = undefined;
    }
  }

  async #lacksMostOf(cameIn: readonly StoredEvent[], { name, versions }: WatchedView): Promise<boolean> {
    const [deployed] = versions;
    const ofView = cameIn
      .filter((event) => readsStream(deployed, event.stream) && !isTombstone(event))
      .slice(-eventsJudged);
    if (ofView.length < fewestMissing) return false;
    const live = liveGeneration(await this.#context.catalog.read(name));
    // Nothing is delivered into one that stands still, however far it is behind.
    if (live === undefined || live.paused !== undefined) return false;
    const { events } = await notApplied(this.#context, { name, versions }, ofView);
    return events.length >= fewestMissing && events.length > ofView.length / 2;
  }
}
