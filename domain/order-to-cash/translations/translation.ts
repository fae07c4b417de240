/**
 * The anti-corruption layer: what crosses a border between a context and the process, as data. One file a context says
 * which of its events become which integration event, and which of the process's requests become which command of its own.
 * Nothing else in this folder's parent knows a context.
 */
import type { IntegrationEvent } from "../integration-events.ts";
import type { ProcessRequest, Step } from "../requests.ts";

/** What the store knows of an event beside its data. */
export interface Recording {
  /** ISO 8601 in UTC with milliseconds. */
  readonly recordedAt: string;
  readonly correlationId: string;
}

type FactType = IntegrationEvent["type"];
type FactOf<Type extends FactType> = Extract<IntegrationEvent, { type: Type }>["data"];

/** From one event type of a context to one integration event; undefined where the event is about nothing of the process. */
export interface Inbound<Data> {
  readonly to: FactType;
  readonly translate: (data: Data, recording: Recording) => IntegrationEvent | undefined;
}

/** The event and the integration event `to`, with the types of both. */
export function inbound<Data, Type extends FactType>(
  to: Type,
  translate: (data: Data, recording: Recording) => FactOf<Type> | undefined,
): Inbound<Data> {
  return {
    to,
    translate: (data, recording) => {
      const fact = translate(data, recording);
      // The pair of `to` and what `translate` returns is one of the union: that is what this function's own type asks for.
      return fact === undefined ? undefined : ({ type: to, data: fact } as IntegrationEvent);
    },
  };
}

export type RequestOf<Asked extends Step> = Extract<ProcessRequest, { step: Asked }>;

/** The commands of a context for the steps that it carries out. */
export type Outbound<Steps extends Step, Command> = {
  readonly [Asked in Steps]: (request: RequestOf<Asked>) => Command;
};
