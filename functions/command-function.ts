/**
 * The commands of one context over HTTP. A context states its routes as data: the body's schema, and what command is made of
 * it. A creation answers 201 with `Location`, a change 200; both carry the id and the stream's revision.
 */
import { randomUUID } from "node:crypto";
import type { z } from "zod";
import {
  type Aggregate,
  type AggregateEvent,
  type AggregateRejection,
  streamOf,
} from "../engine/commands/aggregate.ts";
import { handleCommand } from "../engine/commands/handle-command.ts";
import { idFromKey } from "../engine/commands/idempotency.ts";
import type { Accepted } from "../engine/commands/outcome.ts";
import { acceptedOrProblem, type RejectionStatus } from "../engine/http/command-answer.ts";
import { commandHeaders, type WithCommandHeaders } from "../engine/http/command-headers.ts";
import { commandRequest } from "../engine/http/command-request.ts";
import { etagHeader } from "../engine/http/entity-tag.ts";
import { seenEvent } from "../engine/http/seen-events.ts";
import { httpFunction, json } from "../engine/http/http-function.ts";
import { jsonBody, type WithJsonBody } from "../engine/http/json-body.ts";
import type { Logger } from "../engine/http/logger.ts";
import { pathParameters } from "../engine/http/parameters.ts";
import type { WithOrigin } from "../engine/http/request-context.ts";
import { type HandleRoute, routedFunction } from "../engine/http/routed-function.ts";
import { eventStore } from "./event-store-connection.ts";
import { functionLogger } from "./function-logger.ts";

/** What the routes of a context are about, whatever it is. */
interface AnyResource<IdName extends string> {
  readonly aggregate: { readonly category: string };
  /** Where it is found: `<collection>/<id>`. */
  readonly collection: string;
  /** What its id is called in paths and answers. */
  readonly idName: IdName;
  readonly pathSchema: z.ZodType<Readonly<Record<IdName, string>>>;
}

export interface Resource<
  IdName extends string,
  State,
  Command,
  Event extends AggregateEvent,
  Refusal extends AggregateRejection,
> extends AnyResource<IdName> {
  readonly aggregate: Aggregate<State, Command, Event, Refusal>;
  readonly rejectionStatus: RejectionStatus<Refusal>;
}

/** What a command may need that the body leaves open. None of it enters the digest, so that a resend is known as one. */
export interface Circumstances {
  /** ISO 8601 in UTC with milliseconds. */
  readonly now: string;
  /** A new id, the same at every resend of a request that has a key. */
  readonly newId: (kind: string) => string;
}

interface Creation<Command> {
  readonly id: string;
  readonly command: Command;
}

interface Change<Command> {
  readonly command: Command;
  /** What the answer tells besides id and revision. */
  readonly told: (effect: Accepted["effect"]) => Readonly<Record<string, string>>;
}

/** A body as what it asks for in whatever circumstances: so a route knows its body's type, and a table of routes need not. */
type Body<Asked> = z.ZodType<(circumstances: Circumstances) => Asked>;

export type CommandRoute<Command> =
  | { readonly kind: "creation"; readonly body: Body<Creation<Command>> }
  | { readonly kind: "change"; readonly body: Body<Change<Command>> };

/** By route key. */
export type CommandRoutes<Command> = Readonly<Record<string, CommandRoute<Command>>>;

/** A route under which something comes into being, with the id that `ask` gives it. */
export function creation<Content, Command>(
  schema: z.ZodType<Content>,
  ask: (content: Content, circumstances: Circumstances) => Creation<Command>,
): CommandRoute<Command> {
  return { kind: "creation", body: schema.transform((content) => (circumstances) => ask(content, circumstances)) };
}

/** A route under which what the path names changes. `tell` adds to the answer. */
export function change<Content, Command>(
  schema: z.ZodType<Content>,
  ask: (content: Content, circumstances: Circumstances) => Command,
  tell: (command: Command, effect: Accepted["effect"]) => Readonly<Record<string, string>> = () => ({}),
): CommandRoute<Command> {
  const body = schema.transform((content) => (circumstances: Circumstances) => {
    const command = ask(content, circumstances);
    return { command, told: (effect: Accepted["effect"]) => tell(command, effect) };
  });
  return { kind: "change", body };
}

/** The handler of the context's function of this name. A body may be left out where all of its fields may. */
export function commandFunction<
  IdName extends string,
  State,
  Command extends { readonly type: string },
  Event extends AggregateEvent,
  Refusal extends AggregateRejection,
>(
  name: string,
  resource: Resource<IdName, State, Command, Event, Refusal>,
  routes: CommandRoutes<Command>,
): HandleRoute {
  const { aggregate, rejectionStatus } = resource;
  const log = functionLogger(name);
  const carryOut: CarryOut<Command> = async (event, id, command) => {
    const outcome = await handleCommand(await eventStore(), aggregate, commandRequest(event, id, command));
    return acceptedOrProblem(outcome, rejectionStatus);
  };
  const handlerOf = (route: CommandRoute<Command>): HandleRoute =>
    route.kind === "creation"
      ? creationHandler(log, resource, route.body, carryOut)
      : changeHandler(log, resource, route.body, carryOut);
  return routedFunction(log, Object.fromEntries(Object.entries(routes).map(([key, route]) => [key, handlerOf(route)])));
}

/** Throws the problem that anything else than acceptance is to a client. */
type CarryOut<Command> = (
  event: WithOrigin & WithCommandHeaders & Pick<WithJsonBody<unknown>, "bodyText">,
  id: string,
  command: Command,
) => Promise<Accepted>;

function creationHandler<Command>(
  log: Logger,
  { aggregate, collection, idName }: Pick<AnyResource<string>, "aggregate" | "collection" | "idName">,
  body: Body<Creation<Command>>,
  carryOut: CarryOut<Command>,
): HandleRoute {
  return httpFunction(log)
    .use(commandHeaders())
    .use(jsonBody(body, { optional: isOptional(body) }))
    .handler(async (event) => {
      const { id, command } = event.content(circumstancesOf(event));
      const { revision } = await carryOut(event, id, command);
      const headers = { location: `${collection}/${id}`, ...headersOf(streamOf(aggregate, id), revision) };
      return json(201, { [idName]: id, revision: revision.toString() }, headers);
    });
}

function changeHandler<IdName extends string, Command>(
  log: Logger,
  { aggregate, idName, pathSchema }: AnyResource<IdName>,
  body: Body<Change<Command>>,
  carryOut: CarryOut<Command>,
): HandleRoute {
  return httpFunction(log)
    .use(pathParameters(pathSchema))
    .use(commandHeaders())
    .use(jsonBody(body, { optional: isOptional(body) }))
    .handler(async (event) => {
      const id = event.path[idName];
      const { command, told } = event.content(circumstancesOf(event, streamOf(aggregate, id)));
      const { effect, revision } = await carryOut(event, id, command);
      const answer = { [idName]: id, ...told(effect), revision: revision.toString() };
      return json(200, answer, headersOf(streamOf(aggregate, id), revision));
    });
}

/** What lets a client go on from here: change it only if it is so still, and read it as it is now. */
function headersOf(stream: string, revision: Accepted["revision"]): Readonly<Record<string, string>> {
  return { ...etagHeader(revision), ...(revision === "no_stream" ? {} : seenEvent({ stream, revision })) };
}

function isOptional(body: z.ZodType): boolean {
  return body.safeParse({}).success;
}

/** What is made within a stream gets an id that follows from the stream too: a key belongs to one. */
function circumstancesOf({ idempotencyKey: key }: WithCommandHeaders, stream?: string): Circumstances {
  const within = stream === undefined ? "" : ` of ${stream}`;
  return {
    now: new Date().toISOString(),
    newId: (kind) => (key === undefined ? randomUUID() : idFromKey(`${kind}${within}`, key)),
  };
}
