/**
 * The little of EventStoreDB's HTTP API that clients and their tests use beside gRPC: is it there, is it alive, who leads,
 * and a single event that is written as it comes, also one that calls itself JSON and is none.
 */
import { randomUUID } from "node:crypto";
import type { IncomingMessage, RequestListener, ServerResponse } from "node:http";
import type { Member } from "../cluster/membership.ts";
import type { EventLog } from "../log/event-log.ts";
import { isInvalidStreamName } from "../log/system-streams.ts";
import type { Limits } from "../limits.ts";
import { decideAccess } from "../security/access-rules.ts";
import type { SecureMode } from "../security/secure-mode.ts";

export interface HttpStore {
  readonly log: Pick<EventLog, "append">;
  readonly limits: Limits;
  members(): readonly Member[];
  readonly secureMode: Pick<SecureMode, "authenticator" | "acls"> | undefined;
}

/** EventStoreDB's number for the message. */
const pingMessage = 12;
const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

interface Answer {
  readonly status: number;
  readonly headers?: Readonly<Record<string, string>>;
  readonly json?: unknown;
}

const headerOf = (request: IncomingMessage, name: string): string | undefined => {
  const value = request.headers[name];
  return Array.isArray(value) ? value[0] : value;
};

/** Undefined if it is more than an append may have. */
const bodyOf = async (request: IncomingMessage, maximum: number): Promise<Buffer | undefined> => {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!(chunk instanceof Buffer)) continue;
    size += chunk.length;
    if (size <= maximum) chunks.push(chunk);
  }
  return size > maximum ? undefined : Buffer.concat(chunks);
};

const mayWrite = async (request: IncomingMessage, stream: string, { secureMode }: HttpStore): Promise<boolean> => {
  if (secureMode === undefined) return true;
  const principal = await secureMode.authenticator.authenticate(headerOf(request, "authorization"));
  if (principal.kind === "invalid") return false;
  return decideAccess(principal, { kind: "use-stream", right: "write", stream }, secureMode.acls) === "allowed";
};

const writeEvent = async (request: IncomingMessage, stream: string, store: HttpStore): Promise<Answer> => {
  if (isInvalidStreamName(stream)) return { status: 400 };
  if (!(await mayWrite(request, stream, store))) return { status: 401 };
  const type = headerOf(request, "es-eventtype");
  const id = headerOf(request, "es-eventid")?.toLowerCase() ?? randomUUID();
  const contentType = headerOf(request, "content-type")?.split(";")[0]?.trim();
  if (type === undefined || type === "" || !uuid.test(id)) return { status: 400 };
  if (contentType !== "application/json" && contentType !== "application/octet-stream") return { status: 415 };
  const data = await bodyOf(request, store.limits.maximumAppendSize);
  if (data === undefined) return { status: 400 };
  const isJson = contentType === "application/json";
  const outcome = await store.log.append({
    stream,
    expectedRevision: "any",
    events: [{ id, type, isJson, data, metadata: new Uint8Array() }],
  });
  switch (outcome.kind) {
    case "appended":
    case "repeated":
      return {
        status: 201,
        headers: { location: `/streams/${encodeURIComponent(stream)}/${outcome.revision}` },
      };
    case "stream-deleted":
      return { status: 410 };
    case "wrong-expected-revision":
    case "ambiguous-repeat":
      return { status: 400 };
  }
};

const gossipOf = (members: readonly Member[]): unknown => ({
  members: members.map(({ instanceId, role, endpoint }) => ({
    instanceId,
    timeStamp: new Date().toISOString(),
    state: role === "leader" ? "Leader" : "Follower",
    isAlive: true,
    httpEndPointIp: endpoint.host,
    httpEndPointPort: endpoint.port,
  })),
});

const decodedName = (text: string): string => {
  try {
    return decodeURIComponent(text);
  } catch {
    return "";
  }
};

const answerTo = async (request: IncomingMessage, store: HttpStore): Promise<Answer> => {
  const [path = ""] = (request.url ?? "").split("?");
  const [, stream] = /^\/streams\/([^/]+)$/.exec(path) ?? [];
  if (stream !== undefined && request.method === "POST") return writeEvent(request, decodedName(stream), store);
  switch (`${request.method ?? ""} ${path}`) {
    case "GET /ping":
      return { status: 200, json: { msgTypeId: pingMessage, text: "Ping request successfully handled" } };
    case "GET /health/live":
      return { status: 204 };
    case "GET /gossip":
      return { status: 200, json: gossipOf(store.members()) };
    default:
      return { status: 404 };
  }
};

const send = (response: ServerResponse, { status, headers = {}, json }: Answer): void => {
  const type = json === undefined ? {} : { "content-type": "application/json; charset=utf-8" };
  response.writeHead(status, { ...headers, ...type });
  response.end(json === undefined ? undefined : JSON.stringify(json));
};

export const httpService =
  (store: HttpStore): RequestListener =>
  (request, response) => {
    answerTo(request, store).then(
      (answer) => send(response, answer),
      () => send(response, { status: 500 }),
    );
  };
