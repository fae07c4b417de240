/**
 * What a process function does with a batch of the subscriber: tells each process of its events, in their order, many
 * processes at once, and returns those events of which a process could not be told to the end. Failures are
 * values: one process that cannot go on holds back no other.
 */
import { itemIdentifier } from "../delivery/event-record.ts";
import type { StoredEvent } from "../event-store/stored-event.ts";
import { advance, type ProcessContext, type Told } from "./advance.ts";
import { Turns } from "./in-turn.ts";
import { processKey, type ProcessManager } from "./process-manager.ts";

const processesAtOnce = 16;

/** An event of which its process was not told, or not to the end. */
export interface UntoldEvent {
  readonly event: StoredEvent;
  readonly error: unknown;
  /** Nothing is known to be wrong with it: its process could not be told of an earlier one. */
  readonly isBehind: boolean;
}

interface Item<Input> {
  readonly event: StoredEvent;
  readonly told: Told<Input>;
}

export async function processBatch<State, Input, Request>(
  context: ProcessContext,
  manager: ProcessManager<State, Input, Request>,
  events: readonly StoredEvent[],
): Promise<readonly UntoldEvent[]> {
  const untold: UntoldEvent[] = [];
  const fail = (event: StoredEvent, error: unknown, isBehind = false): void => {
    context.log.error({ event: itemIdentifier(event), type: event.type, err: error }, "process not told");
    untold.push({ event, error, isBehind });
  };
  const queue = byProcess(itemsOf(manager, events, fail)).values();
  const inTurn = askingInTurn(manager);
  const work = async (): Promise<void> => {
    for (const items of queue) await tellInOrder(context, inTurn, items, fail);
  };
  await Promise.all(Array.from({ length: processesAtOnce }, work));
  return untold;
}

/** Many orders of one customer ask the same stream: at once, all but one would be refused, and the unlucky ones again and again. */
function askingInTurn<State, Input, Request>(
  manager: ProcessManager<State, Input, Request>,
): ProcessManager<State, Input, Request> {
  const turns = new Turns();
  return {
    ...manager,
    send: (request, sending) => turns.take(manager.streamOfRequest(request), () => manager.send(request, sending)),
  };
}

/** After one that failed, the later ones of the same process come again too: it is told of them in their order. */
async function tellInOrder<State, Input, Request>(
  context: ProcessContext,
  manager: ProcessManager<State, Input, Request>,
  items: readonly Item<Input>[],
  fail: (event: StoredEvent, error: unknown, isBehind: boolean) => void,
): Promise<void> {
  let broken: { readonly error: unknown } | undefined;
  for (const { event, told } of items) {
    if (broken !== undefined) {
      fail(event, broken.error, true);
      continue;
    }
    try {
      await advance(context, manager, told);
    } catch (error) {
      broken = { error };
      fail(event, error, false);
    }
  }
}

function itemsOf<State, Input, Request>(
  manager: ProcessManager<State, Input, Request>,
  events: readonly StoredEvent[],
  fail: (event: StoredEvent, error: unknown) => void,
): Item<Input>[] {
  const at = new Date().toISOString();
  return events.flatMap((event) => {
    try {
      const concerned = manager.inputOf(event, at);
      if (concerned === undefined) return [];
      return [{ event, told: { ...concerned, key: processKey(event.id), origin: originOf(event) } }];
    } catch (error) {
      fail(event, error);
      return [];
    }
  });
}

function originOf({ id, metadata }: StoredEvent): Told<unknown>["origin"] {
  const { $correlationId, traceparent } = metadata;
  return {
    correlationId: typeof $correlationId === "string" ? $correlationId : id,
    causationId: id,
    ...(typeof traceparent === "string" ? { traceparent } : {}),
  };
}

function byProcess<Input>(items: readonly Item<Input>[]): Map<string, Item<Input>[]> {
  return Map.groupBy(items, ({ told }) => told.id);
}
