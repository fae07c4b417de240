/** The row that a projection makes of a stream's events, without any of the code that writes views. */
import { changeRow, type PlainRow, attributesOf } from "../../engine/consistency/plain-row.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import type { OnePerStreamProjection, RowAttributes } from "../../engine/views/projection.ts";
import { changesOf } from "../../engine/views/stream-write.ts";

export interface StreamEvent {
  readonly type: string;
  readonly data: unknown;
}

/** The row of the stream with this id; every event is written and read as the store would. */
export function rowAfter(
  projection: OnePerStreamProjection,
  id: string,
  events: readonly StreamEvent[],
): { readonly key: string; readonly row: RowAttributes } {
  const row: PlainRow = new Map();
  const keys = new Set<string>();
  for (const [index, event] of events.entries()) {
    for (const { key, change } of changesOf(projection, storedEvent(`${projection.category}-${id}`, index, event))) {
      changeRow(row, change);
      keys.add(`${key.partition}/${key.sort}`);
    }
  }
  return { key: [...keys].join(", "), row: attributesOf(row) };
}

function storedEvent(stream: string, index: number, { type, data }: StreamEvent): StoredEvent {
  return {
    id: `00000000-0000-4000-8000-${String(index).padStart(12, "0")}`,
    stream,
    revision: BigInt(index),
    position: { commit: BigInt(index), prepare: BigInt(index) },
    type,
    data: JSON.parse(JSON.stringify(data)) as unknown,
    metadata: { schemaVersion: 1 },
    recordedAt: new Date(0),
  };
}

/** What a decider makes of commands in turn; one that it refuses leaves no event. */
export function historyOf<State, Command, Event>(
  decider: {
    readonly initialState: State;
    evolve(state: State, event: Event): State;
    decide(state: State, command: Command): readonly Event[] | { readonly rejection: string };
  },
  commands: readonly Command[],
): { readonly events: readonly Event[]; readonly state: State } {
  let state = decider.initialState;
  const events: Event[] = [];
  for (const command of commands) {
    const decision = decider.decide(state, command);
    if ("rejection" in decision) continue;
    for (const event of decision) state = decider.evolve(state, event);
    events.push(...decision);
  }
  return { events, state };
}
