/**
 * Closes the seam between back-fill and live delivery. An event that was appended after the back-fill had ended may have
 * been delivered to a projector that did not know the generation yet; it was committed before a tail that is taken after the
 * join. So every stream that moved between the two is brought up to that tail, by the same conditional writes as in live
 * delivery: what a projector has applied meanwhile is found applied.
 *
 * The generation that was live may lack some of these events until they are delivered, so a rollback closes the same seam in it.
 */
import type { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { roundsOfAll } from "../event-store/rounds-of-all.ts";
import type { EventStore } from "../event-store/event-store.ts";
import type { Position } from "../event-store/position.ts";
import type { Generation } from "../views/catalog.ts";
import { ViewsUnavailableError } from "../views/dynamodb.ts";
import { applyEvents, isInfrastructureFailure, type LiveWriter } from "../views/live-writer.ts";
import { type Projection, readsStream } from "../views/projection.ts";
import { ReplayEventError } from "./errors.ts";

export interface SeamOptions extends Pick<LiveWriter, "waitBehind"> {
  readonly dynamodb: DynamoDBClient;
  readonly eventStore: EventStore;
  readonly projection: Projection;
  readonly generation: Pick<Generation, "id" | "table" | "from">;
  readonly eventsAtOnce: number;
  /** Awaited; throws when the work is to stop. */
  readonly onEvents: (events: number, at: Position) => Promise<void> | void;
}

/** Events of the view's streams between `after` and `tail`. Throws {@link ReplayEventError}, {@link ViewsUnavailableError}. */
export async function closeSeam(options: SeamOptions, after: Position, tail: Position): Promise<number> {
  const { eventStore, projection, generation, eventsAtOnce, onEvents } = options;
  let events = 0;
  let read = 0;
  for await (const round of roundsOfAll(eventStore, after, tail, eventsAtOnce)) {
    const moved = round.filter(({ stream }) => readsStream(projection, stream));
    const { failures } = await applyEvents(options, moved);
    const atFault = failures.find(({ error }) => !isInfrastructureFailure(error));
    const [failure] = atFault === undefined ? failures : [atFault];
    if (failure !== undefined) {
      const at = `${failure.revision.toString()}@${failure.stream}`;
      const cause = { cause: failure.error };
      if (atFault === undefined)
        throw new ViewsUnavailableError(`event ${at} could not be applied now: try again`, cause);
      throw new ReplayEventError(`event ${at} cannot be applied to generation ${generation.id}`, cause);
    }
    events += moved.length;
    read += round.length;
    await onEvents(read, round.at(-1)?.position ?? tail);
  }
  return events;
}
