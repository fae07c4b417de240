import { etagOfAnswer, type Source } from "./entity-tag.ts";
import { type HttpResponse, json } from "./http-function.ts";

/**
 * What a query answers: the content as JSON, with a tag of it. A client may keep it (`private`: it may be meant for this client
 * alone) and has to ask before every use of it (`no-cache`), which `conditionalRequest` answers with a 304 as long as it is still
 * so. With `no-store` there would be nothing that a client could ask about; what is no success of a query stays that way.
 */
export function queryAnswer(content: unknown, source: Source): HttpResponse {
  const { body = "", headers } = json(200, content);
  const etag = etagOfAnswer(source, body);
  return { statusCode: 200, headers: { ...headers, "cache-control": "private, no-cache", etag }, body };
}
