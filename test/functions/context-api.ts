/** The command functions of all contexts on an event store of their own. */
import { EventStore } from "../../engine/event-store/event-store.ts";
import type { StoredEvent } from "../../engine/event-store/stored-event.ts";
import type { HandleRoute } from "../../engine/http/routed-function.ts";
import type { CommandRoutes } from "../../functions/command-function.ts";
import { type EventStoreServer, startEventStore } from "../../local/eventstoredb/event-store-server.ts";
import { invoke, type TestAnswer, type TestRequest } from "../engine/http/api-gateway.ts";
import type { ContextCases, Request } from "./context-cases.ts";
import { withId } from "./context-cases.ts";

type Context = ContextCases["context"];

interface CommandFunction {
  readonly handler: HandleRoute;
  readonly routes: CommandRoutes<unknown>;
}

export class ContextApi {
  readonly server: EventStoreServer;
  readonly store: EventStore;
  readonly functions: Readonly<Record<Context, CommandFunction>>;

  private constructor(server: EventStoreServer, functions: Readonly<Record<Context, CommandFunction>>) {
    this.server = server;
    this.store = EventStore.connect(server.connectionString);
    this.functions = functions;
  }

  static async started(): Promise<ContextApi> {
    const server = await startEventStore();
    // Functions read it when they are loaded, or at their first call.
    Object.assign(process.env, { EVENTSTORE_CONNECTION_STRING: server.connectionString, LOG_LEVEL: "silent" });
    return new ContextApi(server, {
      ordering: await import("../../functions/ordering.ts"),
      customers: await import("../../functions/customers.ts"),
      billing: await import("../../functions/billing.ts"),
      logistics: await import("../../functions/logistics.ts"),
    });
  }

  /** `id` stands in the path, and in the body wherever that says `@id`. */
  send(
    { context, idName }: Pick<ContextCases, "context" | "idName">,
    [route, body]: Request,
    id: string,
    options: Pick<TestRequest, "headers" | "body"> = {},
  ): Promise<TestAnswer> {
    return invoke(this.functions[context].handler, {
      route,
      ...(route.includes("{") ? { pathParameters: { [idName]: id } } : {}),
      ...(body === undefined ? {} : { body: withId(body, id) }),
      ...options,
    });
  }

  async events({ category }: Pick<ContextCases, "category">, id: string): Promise<StoredEvent[]> {
    const found: StoredEvent[] = [];
    for await (const event of this.store.readStream(`${category}-${id}`)) found.push(event);
    return found;
  }

  async stop(): Promise<void> {
    await this.store.dispose();
    await this.server.stop();
  }
}

/** What a resend must give again. */
export function essence({ status, headers: { location, etag }, body }: TestAnswer): object {
  return { status, location, etag, body };
}
