/**
 * The events of the log as what they say of their origin: who asked, because of what, under which key, for which request. Ids of
 * events are told as the events' types and trace contexts as the names of their requests, so that they can be compared.
 */
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";

export interface TracedEvent {
  readonly type: string;
  readonly actor: string | undefined;
  /** Type of the event that caused it; `request` when it was none. */
  readonly because: string;
  readonly key: string | undefined;
  readonly correlation: string | undefined;
  /** Name of the request whose trace it belongs to. */
  readonly trace: string | undefined;
  readonly version: number | undefined;
}

/** By stream, in the order of each. `traceparents` names the requests. */
export function traced(
  events: readonly StoredEvent[],
  traceparents: ReadonlyMap<string, string>,
): Record<string, TracedEvent[]> {
  const typeById = new Map(events.map(({ id, type }) => [id, type]));
  const trace = ({ type, metadata }: StoredEvent): TracedEvent => {
    const { $causationId: cause = "", $correlationId: correlation, idempotencyKey, traceparent = "" } = metadata;
    const [first = "", ...rest] = idempotencyKey?.replace(/^→ /, "").split(":") ?? [];
    return {
      type,
      actor: metadata.actor,
      because: typeById.get(cause) ?? (cause === "" ? "nothing" : "request"),
      key: idempotencyKey === undefined ? undefined : [typeById.get(first) ?? first, ...rest].join(":"),
      correlation,
      trace: traceparents.get(traceparent),
      version: metadata.schemaVersion,
    };
  };
  const streams = Map.groupBy(events, ({ stream }) => stream);
  return Object.fromEntries([...streams].map(([stream, own]) => [stream, own.map(trace)]));
}

/** What a request from outside brings about by itself, without a key. */
export function askedFor(request: string, type: string): TracedEvent {
  return {
    type,
    actor: undefined,
    because: "request",
    key: undefined,
    correlation: request,
    trace: request,
    version: 1,
  };
}

/** What the process of the order that `place` has placed makes of the event `because`, which `trace` has brought about. */
export function brought(because: string, key: string, trace: string, ...types: readonly string[]): TracedEvent[] {
  const common = { actor: "order-to-cash", because, key, correlation: "place", trace, version: 1 };
  return types.map((type) => ({ type, ...common }));
}
