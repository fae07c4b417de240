import type { CommandRequest } from "../commands/handle-command.ts";
import { commandDigest } from "../commands/idempotency.ts";
import type { WithCommandHeaders } from "./command-headers.ts";
import type { WithJsonBody } from "./json-body.ts";
import type { WithOrigin } from "./request-context.ts";

/** The command of a request to the aggregate `id`, with the key, precondition and origin that came with it. */
export function commandRequest<Command extends { readonly type: string }>(
  event: WithOrigin & WithCommandHeaders & Pick<WithJsonBody<unknown>, "bodyText">,
  id: string,
  command: Command,
): CommandRequest<Command> {
  const { origin, idempotencyKey: key, precondition, bodyText } = event;
  return {
    id,
    command,
    origin,
    ...(key === undefined ? {} : { idempotency: { key, digest: commandDigest(command.type, bodyText) } }),
    ...(precondition === undefined ? {} : { precondition }),
  };
}
