/**
 * Events that were given up: `{"action": "list"}`, perhaps with `"subject"`, a view or a process; `{"action": "show" | "redrive" |
 * "discard", "subject": ..., "stream": ...}`, of which a redrive may leave out the stream, or both; a discard needs a `"reason"`.
 */
import * as z from "zod";
import { decisionToJson, quarantinedStreamToJson, recordToJson, redrivenToJson } from "../engine/quarantine/as-json.ts";
import type { Redriven } from "../engine/quarantine/operations.ts";
import { functionLogger } from "./function-logger.ts";
import { quarantineOperations } from "./quarantine-operations.ts";
import { replayContext } from "./replay-context.ts";

const log = functionLogger("quarantine");

const subject = z.string().min(1);
const stream = z.string().min(1);

const requestSchema = z.discriminatedUnion("action", [
  z.strictObject({ action: z.literal("list"), subject: subject.optional() }),
  z.strictObject({ action: z.literal("show"), subject, stream }),
  z.strictObject({ action: z.literal("redrive"), subject: subject.optional(), stream: stream.optional() }),
  z.strictObject({ action: z.literal("discard"), subject, stream, reason: z.string() }),
]);

const rightRequest =
  'give {"action": "list" | "show" | "redrive" | "discard"}, with "subject", "stream" and "reason" as the action needs them';

export class QuarantineRequestError extends Error {
  readonly code = "QUARANTINE_REQUEST";
  override readonly name = "QuarantineRequestError";
}

/** Throws QuarantineRequestError, UnknownSubjectError, NotQuarantinedError, DiscardRefusedError. */
export const handler = async (event: unknown): Promise<object> => {
  const parsed = requestSchema.safeParse(event);
  if (!parsed.success) throw new QuarantineRequestError(rightRequest, { cause: parsed.error });
  const request = parsed.data;
  const operations = quarantineOperations(await replayContext("quarantine"), log);
  switch (request.action) {
    case "list":
      return { quarantined: (await operations.list(request.subject)).map(recordToJson) };
    case "show":
      return { quarantined: (await operations.show(request.subject, request.stream)).map(quarantinedStreamToJson) };
    case "redrive": {
      const redriven: Redriven[] = [];
      for await (const each of operations.redrive(request.subject, request.stream)) redriven.push(each);
      return { redriven: redriven.map(redrivenToJson) };
    }
    case "discard": {
      const decision = await operations.discard(request.subject, request.stream, request.reason);
      log.warn({ ...decisionToJson(decision) }, "event discarded");
      return { discarded: decisionToJson(decision) };
    }
  }
};
