/**
 * Everything in `orderToCash-<orderId>`: the facts that came from the contexts, and what the process made of them. Before a
 * command is sent its intent is here, afterwards its outcome; so after any crash the stream says what is still to be done.
 */
import { z } from "zod";
import { instantSchema, orderIdSchema } from "../kernel/schemas.ts";
import { type IntegrationEvent, integrationEventTypes } from "./integration-events.ts";
import { requestSchema, stepSchema } from "./requests.ts";

export const deadlineNames = ["dispatch", "payment"] as const;

export type DeadlineName = (typeof deadlineNames)[number];

const deadlineNameSchema = z.enum(deadlineNames);

const commandIntendedSchema = z.strictObject({
  orderId: orderIdSchema,
  /** Idempotency key of the command: the causing event's id and the step. */
  key: z.string(),
  /** Id of the event, or name of the deadline or retry, that made the process take this step. */
  cause: z.string(),
  request: requestSchema,
  at: instantSchema,
});

const commandAcceptedSchema = z.strictObject({
  orderId: orderIdSchema,
  key: z.string(),
  step: stepSchema,
  at: instantSchema,
});

const commandRefusedSchema = z.strictObject({
  orderId: orderIdSchema,
  key: z.string(),
  step: stepSchema,
  /** The context's rejection, or the code of the error that no repetition can mend. */
  code: z.string(),
  message: z.string(),
  /** Whether the process knows no way on: then it waits for somebody to retry. */
  halts: z.boolean(),
  at: instantSchema,
});

const processRetriedSchema = z.strictObject({ orderId: orderIdSchema, step: stepSchema, at: instantSchema });

const deadlineSetSchema = z.strictObject({ orderId: orderIdSchema, name: deadlineNameSchema, dueAt: instantSchema });

const deadlineLiftedSchema = z.strictObject({ orderId: orderIdSchema, name: deadlineNameSchema });

const deadlinePassedSchema = z.strictObject({
  orderId: orderIdSchema,
  name: deadlineNameSchema,
  dueAt: instantSchema,
  /** When it was noticed: after `dueAt`. */
  at: instantSchema,
});

const processEndedSchema = z.strictObject({
  orderId: orderIdSchema,
  as: z.enum(["completed", "cancelled", "rejected"]),
  at: instantSchema,
});

const ownEventTypes = {
  CommandIntended: { version: 1, schema: commandIntendedSchema },
  CommandAccepted: { version: 1, schema: commandAcceptedSchema },
  CommandRefused: { version: 1, schema: commandRefusedSchema },
  ProcessRetried: { version: 1, schema: processRetriedSchema },
  DeadlineSet: { version: 1, schema: deadlineSetSchema },
  DeadlineLifted: { version: 1, schema: deadlineLiftedSchema },
  DeadlinePassed: { version: 1, schema: deadlinePassedSchema },
  ProcessEnded: { version: 1, schema: processEndedSchema },
} as const;

export const orderToCashEventTypes = { ...integrationEventTypes, ...ownEventTypes } as const;

type OwnTypes = typeof ownEventTypes;

export type OrderToCashEvent =
  | IntegrationEvent
  | {
      [Type in keyof OwnTypes]: { readonly type: Type; readonly data: z.output<OwnTypes[Type]["schema"]> };
    }[keyof OwnTypes];

export type ProcessEnding = z.output<typeof processEndedSchema>["as"];
