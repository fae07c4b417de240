/**
 * Which events are never to be applied to a view, because somebody decided so. The decision belongs to the view and not to one
 * of its generations, so everything that folds events, live, in a rebuild, in a proof or a check, passes over the same ones.
 */
import { DeleteItemCommand, type DynamoDBClient, type TransactWriteItem } from "@aws-sdk/client-dynamodb";
import { z } from "zod";
import { translated } from "../views/dynamodb.ts";
import type { Projection } from "../views/projection.ts";
import { partitionItems } from "./partition-items.ts";
import { sortOf } from "./quarantine-record.ts";

/** An event that is discarded: its changes are not made, and its stream goes on behind it. */
export interface Decision {
  /** A view's name, or a process's. */
  readonly subject: string;
  readonly stream: string;
  readonly revision: bigint;
  /** Why, in the words of whoever decided. */
  readonly reason: string;
  /** ISO 8601. */
  readonly decidedAt: string;
  /** What was wrong with the event, as it was last seen. */
  readonly lastError: string;
}

const decisionSchema = z
  .object({ subject: z.object({ S: z.string() }), decision: z.object({ S: z.string() }) })
  .transform(({ subject, decision }) => ({ subject: subject.S, fields: JSON.parse(decision.S) as unknown }));

const fieldsSchema = z.object({
  stream: z.string(),
  revision: z.string().transform(BigInt),
  reason: z.string(),
  decidedAt: z.string(),
  lastError: z.string(),
});

const partitionOf = (subject: string): string => `${subject}#discarded`;

/** The write that records a decision, unless there is one about this event. */
export function decide(table: string, { subject, revision, ...rest }: Decision): TransactWriteItem {
  const decision = JSON.stringify({ ...rest, revision: revision.toString() });
  return {
    Put: {
      TableName: table,
      Item: {
        pk: { S: partitionOf(subject) },
        sk: { S: sortOf(`${revision.toString()}@${rest.stream}`) },
        subject: { S: subject },
        decision: { S: decision },
      },
      ConditionExpression: "attribute_not_exists(pk)",
    },
  };
}

/** All decisions about a view or a process, by stream and revision. */
export async function readDecisions(dynamodb: DynamoDBClient, table: string, subject: string): Promise<Decision[]> {
  const decisions: Decision[] = [];
  for await (const item of partitionItems(dynamodb, table, partitionOf(subject))) {
    const { subject: of, fields } = decisionSchema.parse(item);
    decisions.push({ subject: of, ...fieldsSchema.parse(fields) });
  }
  return decisions;
}

/** Removes the decisions about a view that is no more: a later one of its name would leave those events out, and nobody know why. */
export async function forgetDecisions(dynamodb: DynamoDBClient, table: string, subject: string): Promise<void> {
  for await (const { pk, sk } of partitionItems(dynamodb, table, partitionOf(subject))) {
    if (pk === undefined || sk === undefined) continue;
    await translated(dynamodb.send(new DeleteItemCommand({ TableName: table, Key: { pk, sk } })));
  }
}

/** The projection without the changes of events that are discarded. */
export function withDecisions<Kind extends Projection>(projection: Kind, decisions: readonly Decision[]): Kind {
  if (decisions.length === 0) return projection;
  const discarded = new Set(decisions.map(({ stream, revision }) => `${revision.toString()}@${stream}`));
  return {
    ...projection,
    isDiscarded: ({ stream, revision }) => discarded.has(`${revision.toString()}@${stream}`),
  };
}
