/**
 * DynamoDB as a process sees it: the real client of the AWS SDK, with its retries and error classes, whose requests go to
 * tables in memory by a line that is slow, breaks, repeats nothing and loses answers.
 */
import { DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { z } from "zod";
import { cancelled, DynamoDBTables, type Surroundings } from "./dynamodb-tables.ts";
import { type Item, RefusedError } from "./dynamodb-values.ts";
import type { Faults } from "./faults.ts";
import { never, type SimulatedProcess } from "./simulated-process.ts";
import {
  endpointIs,
  type HttpAnswer,
  httpClientOf,
  type HttpRequest,
  requestFrom,
  trimmed,
  withConnection,
} from "./simulated-http.ts";
import type { Trace } from "./trace.ts";

/** As `connectDynamoDB` sets them. */
const requestTimeoutMs = 2_500;
const maxAttempts = 3;
/** No request takes effect later: replays count on a bound (`lateWriteMs`). */
const latestEffectMs = 8_000;

export interface ServiceContext {
  readonly faults: Faults;
  readonly trace: Trace;
}

const writes: ReadonlySet<string> = new Set([
  "PutItem",
  "UpdateItem",
  "DeleteItem",
  "TransactWriteItems",
  "BatchWriteItem",
]);

export class DynamoDBService {
  readonly tables: DynamoDBTables;
  readonly #context: ServiceContext;
  readonly #client: DynamoDBClient;
  #isDown = false;
  #downTable: string | undefined;
  requests = 0;
  readonly #lateBatches: string[] = [];
  /** What each process was told when it last asked for an item of the catalog. */
  readonly catalogTold = new Map<SimulatedProcess, Item | undefined>();

  constructor(context: ServiceContext, around: Surroundings) {
    this.#context = context;
    const { faults } = context;
    const client = new DynamoDBClient({
      region: "eu-central-1",
      endpoint: "http://dynamodb.simulation",
      endpointProvider: endpointIs("dynamodb.simulation"),
      credentials: { accessKeyId: "local", secretAccessKey: "local" },
      maxAttempts,
    });
    this.#client = trimmed(client);
    this.tables = new DynamoDBTables({
      creationMs: () => (faults.areOn ? faults.ms(0, 1_500) : 0),
      lagMs: () => faults.ms(0, 2_000),
      ...around,
    });
  }

  /** Nobody is answered while it is down. */
  setDown(isDown: boolean): void {
    this.#isDown = isDown;
  }

  /** Nobody is answered who asks for anything in this table; undefined: all are well. */
  setTableDown(table: string | undefined): void {
    this.#downTable = table;
  }

  /** Tables of which a batch of writes, which have no condition, took effect late: maybe after those that followed it. */
  get tablesWithLateBatches(): readonly string[] {
    return this.#lateBatches;
  }

  connect(process: SimulatedProcess): DynamoDBClient {
    const handler = httpClientOf(process, requestTimeoutMs, (request) => this.#requested(process, request));
    return withConnection(this.#client, handler);
  }

  close(): void {
    this.#client.destroy();
  }

  async #requested(process: SimulatedProcess, request: HttpRequest): Promise<HttpAnswer> {
    this.requests += 1;
    const operation = request.headers["x-amz-target"]?.split(".").at(-1) ?? "";
    const body = requestFrom(request);
    const input: unknown = JSON.parse(body);
    const { faults } = this.#context;
    const where = `${process.name} ${operation} ${targetOf(input)}`;
    if (faults.happens("crash before the call", 0.004, where)) process.crash();
    if (!process.isAlive) return never();
    if (this.#isDown || (this.#downTable !== undefined && body.includes(JSON.stringify(this.#downTable)))) {
      faults.note("outage of dynamodb", where);
      await pause(faults.ms(1, 200));
      return refusal(500, new RefusedError("InternalServerError", "down"));
    }
    const fault = faults.oneOf(
      {
        "dynamodb error": 0.02,
        "dynamodb error after the effect": 0.02,
        "dynamodb time-out after the effect": 0.015,
        "dynamodb late effect": 0.02,
        "dynamodb throttled": 0.02,
        ...(operation === "TransactWriteItems" ? { "transaction conflict": 0.05, "transaction throttled": 0.01 } : {}),
        "crash after the effect": 0.006,
      },
      where,
    );
    switch (fault) {
      case "dynamodb error":
        await pause(faults.ms(1, 50));
        if (faults.between(0, 1) === 0) throw connectionReset();
        return refusal(500, new RefusedError("InternalServerError", "injected"));
      case "dynamodb throttled":
        await pause(faults.ms(1, 10));
        return refusal(
          400,
          new RefusedError(throttlingNames[faults.between(0, throttlingNames.length - 1)] ?? "", "injected"),
        );
      case "transaction conflict":
        return refusal(400, this.#cancelledBy("TransactionConflict", input));
      case "transaction throttled":
        return refusal(400, this.#cancelledBy("ThrottlingError", input));
      case "dynamodb late effect":
        if (operation === "BatchWriteItem")
          this.#lateBatches.push(...Object.keys(batchWriteSchema.parse(input).RequestItems));
        await pause(faults.ms(100, latestEffectMs));
        return this.#answered(process, operation, input);
      default:
    }
    await pause(faults.ms(1, 6));
    const answer = this.#answered(process, operation, input);
    if (fault === "crash after the effect") process.crash();
    if (fault === "dynamodb time-out after the effect") return never();
    await pause(faults.ms(1, 6));
    if (fault === "dynamodb error after the effect") {
      if (faults.between(0, 1) === 0) throw connectionReset();
      return refusal(500, new RefusedError("InternalServerError", "injected"));
    }
    return answer;
  }

  #answered(process: SimulatedProcess, operation: string, input: unknown): HttpAnswer {
    const { trace } = this.#context;
    const where = `${process.name} ${operation} ${targetOf(input)}`;
    try {
      const output = this.#executed(operation, input, where);
      if (writes.has(operation)) trace.note(where);
      if (operation === "GetItem") this.#told(process, input, output);
      return { statusCode: 200, body: JSON.stringify(output) };
    } catch (error) {
      if (!(error instanceof RefusedError)) throw error;
      trace.note(`${where}: ${error.type}`);
      return refusal(400, error);
    }
  }

  #told(process: SimulatedProcess, input: unknown, output: unknown): void {
    const { Key } = input as TargetOfInput;
    // `output` is what the tables have just made.
    if (Key?.sk?.S === "catalog") this.catalogTold.set(process, (output as { readonly Item?: Item }).Item);
  }

  /** What DynamoDB may do of a request: batches in part, pages as short as it likes. */
  #executed(operation: string, input: unknown, where: string): unknown {
    const { faults } = this.#context;
    if (operation === "BatchWriteItem" && faults.happens("unprocessed items", 0.2, where)) {
      const { RequestItems } = batchWriteSchema.parse(input);
      const [now, later] = this.#split(RequestItems, (list) => list);
      if (Object.keys(now).length > 0) this.tables.execute(operation, { RequestItems: now });
      return { UnprocessedItems: later };
    }
    if (operation === "BatchGetItem" && faults.happens("unprocessed items", 0.2, where)) {
      const { RequestItems } = batchGetSchema.parse(input);
      const lists = Object.fromEntries(Object.entries(RequestItems).map(([table, { Keys }]) => [table, Keys]));
      const [now, later] = this.#split(lists, (Keys) => ({ Keys, ConsistentRead: true }));
      const Responses =
        Object.keys(now).length > 0 ? this.tables.execute(operation, { RequestItems: now })["Responses"] : {};
      return { Responses, UnprocessedKeys: later };
    }
    if ((operation === "Scan" || operation === "Query") && faults.happens("short page", 0.3, where)) {
      return this.tables.execute(operation, { ...pageSchema.parse(input), Limit: faults.between(1, 3) });
    }
    return this.tables.execute(operation, input);
  }

  /** Each element is dealt with now or later, by chance. */
  #split<Element, Part>(
    lists: Readonly<Record<string, readonly Element[]>>,
    part: (elements: readonly Element[]) => Part,
  ): [now: Record<string, Part>, later: Record<string, Part>] {
    const now: Record<string, Part> = {};
    const later: Record<string, Part> = {};
    for (const [table, elements] of Object.entries(lists)) {
      const isNow = elements.map(() => this.#context.faults.between(0, 1) === 0);
      const [done, left] = [elements.filter((_, index) => isNow[index]), elements.filter((_, index) => !isNow[index])];
      if (done.length > 0) now[table] = part(done);
      if (left.length > 0) later[table] = part(left);
    }
    return [now, later];
  }

  #cancelledBy(reason: string, input: unknown): RefusedError {
    const { length } = transactionSchema.parse(input).TransactItems;
    const victim = this.#context.faults.between(0, length - 1);
    return cancelled(Array.from({ length }, (_, index) => (index === victim ? reason : "None")));
  }
}

const batchWriteSchema = z.object({ RequestItems: z.record(z.string(), z.array(z.unknown())) });
const batchGetSchema = z.object({ RequestItems: z.record(z.string(), z.object({ Keys: z.array(z.unknown()) })) });
const pageSchema = z.looseObject({});
const transactionSchema = z.object({ TransactItems: z.array(z.unknown()) });

const throttlingNames = ["ThrottlingException", "ProvisionedThroughputExceededException", "RequestLimitExceeded"];

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

const connectionReset = (): Error => Object.assign(new Error("socket hang up"), { code: "ECONNRESET" });

function refusal(statusCode: number, { type, message, reasons }: RefusedError): HttpAnswer {
  const CancellationReasons = reasons?.map((Code) => ({ Code }));
  const body = {
    __type: `com.amazonaws.dynamodb.v20120810#${type}`,
    message,
    ...(reasons ? { CancellationReasons } : {}),
  };
  return { statusCode, body: JSON.stringify(body) };
}

/** For the trace: which item, or which of them. */
function targetOf(input: unknown): string {
  const { TableName, Key, Item, TransactItems, RequestItems } = input as TargetOfInput;
  if (TransactItems !== undefined) return TransactItems.map((item) => targetOf(Object.values(item)[0])).join(" + ");
  if (RequestItems !== undefined) {
    const keys = (list: readonly BatchElement[]): string =>
      list.map(({ PutRequest, ...key }) => keyOf(PutRequest?.Item ?? key)).join(" ");
    return Object.entries(RequestItems)
      .map(([table, list]) => `${table.slice(-14)} ${keys("Keys" in list ? list.Keys : list)}`)
      .join(", ");
  }
  return `${TableName?.slice(-14) ?? ""} ${keyOf(Key ?? Item)}`;
}

const keyOf = (item: KeyInput | undefined): string =>
  item?.pk === undefined ? "" : `${item.pk.S}/${item.sk?.S ?? ""}`;

interface KeyInput {
  readonly pk?: { readonly S: string };
  readonly sk?: { readonly S: string };
}

interface BatchElement extends KeyInput {
  readonly PutRequest?: { readonly Item: KeyInput };
}

/** What the engine's requests look like, where the trace tells of them; what is right is for the tables to judge. */
interface TargetOfInput {
  readonly TableName?: string;
  readonly Key?: KeyInput;
  readonly Item?: KeyInput;
  readonly TransactItems?: readonly Readonly<Record<string, unknown>>[];
  readonly RequestItems?: Readonly<
    Record<string, readonly BatchElement[] | { readonly Keys: readonly BatchElement[] }>
  >;
}
