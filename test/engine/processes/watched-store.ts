/**
 * An event store that tells of each read and append, in words, and lets a test act right before or after one: what a race or
 * a crash does by chance, at the very place and every time.
 */
import { EventStore } from "../../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../../engine/event-store/stored-event.ts";

/** What a call is, as `read <stream>` or `append <stream>: <types>`, and how many came before it. */
export interface Call {
  readonly what: string;
  readonly number: number;
}

export interface Around {
  /** If it throws, the call does not reach the store. */
  readonly before?: (call: Call) => Promise<void> | void;
  /** If it throws, the call has had its effect and its answer is lost. */
  readonly after?: (call: Call) => Promise<void> | void;
}

export class WatchedStore extends EventStore {
  readonly calls: string[] = [];
  readonly #around: Around;

  constructor(store: EventStore, around: Around = {}) {
    super(store.client);
    this.#around = around;
  }

  override async append(
    ...[stream, expected, events]: Parameters<EventStore["append"]>
  ): ReturnType<EventStore["append"]> {
    const call = this.#noted(`append ${stream}: ${events.map(({ type }) => type).join(", ")}`);
    await this.#around.before?.(call);
    const outcome = await super.append(stream, expected, events);
    await this.#around.after?.(call);
    return outcome;
  }

  override async *readStream(...read: Parameters<EventStore["readStream"]>): AsyncGenerator<StoredEvent, void> {
    const call = this.#noted(`read ${read[0]}`);
    await this.#around.before?.(call);
    yield* super.readStream(...read);
    await this.#around.after?.(call);
  }

  #noted(what: string): Call {
    this.calls.push(what);
    return { what, number: this.calls.length - 1 };
  }
}

/** The end of an invocation in the middle of what it does. */
export class KilledError extends Error {
  override readonly name = "KilledError";
}

/** Ends the invocation at the call that `isThere` says. */
export function killedAt(when: "before" | "after", isThere: (call: Call) => boolean): Around {
  return {
    [when]: (call: Call) => {
      if (isThere(call)) throw new KilledError(`killed ${when} ${call.what}`);
    },
  };
}
