/**
 * The processes that somebody should look at, from the view `order-to-cash`: halted by a refusal, waiting too long for an
 * answer, or past a deadline.
 */
import { z } from "zod";
import { Catalog } from "../../engine/views/catalog.ts";
import { connectDynamoDB } from "../../engine/views/dynamodb.ts";
import { ViewReader } from "../../engine/views/view-reader.ts";
import { catalogTable } from "../../functions/dynamodb-connection.ts";
import { clockList, orderToCash, workList } from "../../projections/order-to-cash.ts";
import type { RunningSystem } from "../system/running-system.ts";

export interface StalledProcess {
  readonly orderId: string;
  /** `halted` until a retry; `unanswered`: its request has no outcome yet, and is sent again and again; `late`: a deadline has passed. */
  readonly state: "halted" | "unanswered" | "late";
  /** ISO 8601. */
  readonly since: string;
  readonly reason: string;
}

/** An answer takes milliseconds; one that takes longer than this is told of. */
const patienceMs = 30_000;
const mostListed = 100;

const workSchema = z.object({
  orderId: z.string(),
  workSince: z.string(),
  step: z.string(),
  code: z.string().optional(),
  reason: z.string().optional(),
});

const clockSchema = z.object({ orderId: z.string(), clockAt: z.string(), deadline: z.string() });

/** At most 100 of each state, longest first. Throws ViewsUnavailableError. */
export async function stalledProcesses({
  region,
  dynamodbEndpoint: endpoint,
  tablePrefix,
}: Pick<RunningSystem, "region" | "dynamodbEndpoint" | "tablePrefix">): Promise<StalledProcess[]> {
  const dynamodb = connectDynamoDB({ region, endpoint });
  try {
    const reader = new ViewReader(dynamodb, new Catalog(dynamodb, catalogTable(tablePrefix)));
    const [halted, pending, passed] = await Promise.all([
      listed(reader, workList, "halted"),
      listed(reader, workList, "pending"),
      listed(reader, clockList, "passed"),
    ]);
    return [
      ...halted.map(haltedProcess),
      ...pending.map(unansweredProcess).filter(({ since }) => Date.parse(since) < Date.now() - patienceMs),
      ...passed.map(lateProcess),
    ];
  } finally {
    dynamodb.destroy();
  }
}

async function listed(
  reader: ViewReader,
  { name, partition }: { readonly name: string; readonly partition: string },
  of: string,
): Promise<readonly unknown[]> {
  const { rows } = await reader.query(orderToCash.name, {
    partition: of,
    index: { name, partition },
    limit: mostListed,
  });
  return rows.map(({ attributes }) => attributes);
}

function haltedProcess(row: unknown): StalledProcess {
  const { orderId, workSince: since, step, code = "", reason = "" } = workSchema.parse(row);
  return { orderId, state: "halted", since, reason: `${step} was refused: ${reason} (${code})` };
}

function unansweredProcess(row: unknown): StalledProcess {
  const { orderId, workSince: since, step } = workSchema.parse(row);
  return {
    orderId,
    state: "unanswered",
    since,
    reason: `${step} has no answer yet: see the log of process-order-to-cash`,
  };
}

function lateProcess(row: unknown): StalledProcess {
  const { orderId, clockAt: since, deadline } = clockSchema.parse(row);
  return {
    orderId,
    state: "late",
    since,
    reason: deadline === "dispatch" ? "not dispatched in time" : "not paid in time",
  };
}
