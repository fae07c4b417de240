/** Keeps the report of a generation beside the catalog, as long as there is the generation: one item, `report#<generation>`. */
import { DeleteItemCommand, GetItemCommand, PutItemCommand } from "@aws-sdk/client-dynamodb";
import { translated } from "../views/dynamodb.ts";
import type { BuildReport, BuildScope } from "./build-generation.ts";
import { reportOf, generationReportSchema, type GenerationReport } from "./report.ts";
import type { ReplayContext } from "./replay-context.ts";

type ReportStore = Pick<ReplayContext, "dynamodb" | "catalogTable">;

/** DynamoDB's limit on an item is 400 KB; what is listed beyond this is left out, and counted all the same. */
const longestReport = 300_000;

function reportKey(view: string, generation: string): { pk: { S: string }; sk: { S: string } } {
  return { pk: { S: view }, sk: { S: `report#${generation}` } };
}

/** Returns when it was made, in ISO 8601. */
export async function keepReport(
  { context, entry, projection, generation }: Pick<BuildScope, "context" | "entry" | "projection" | "generation">,
  built: BuildReport,
): Promise<string> {
  const at = new Date().toISOString();
  const report = reportOf({ view: entry, generation, at, by: context.by ?? "unknown" }, built);
  await putReport(context, projection.name, report);
  return at;
}

export async function putReport(
  { dynamodb, catalogTable }: ReportStore,
  view: string,
  report: GenerationReport,
): Promise<void> {
  const Item = { ...reportKey(view, report.generation), report: { S: textOf(report) } };
  await translated(dynamodb.send(new PutItemCommand({ TableName: catalogTable, Item })));
}

/** Undefined when none was kept. */
export async function readReport(
  { dynamodb, catalogTable }: ReportStore,
  view: string,
  generation: string,
): Promise<GenerationReport | undefined> {
  const Key = reportKey(view, generation);
  const get = new GetItemCommand({ TableName: catalogTable, Key, ConsistentRead: true });
  const { Item } = await translated(dynamodb.send(get));
  const text = Item?.["report"]?.S;
  return text === undefined ? undefined : generationReportSchema.parse(JSON.parse(text));
}

export async function forgetReport(
  { dynamodb, catalogTable }: ReportStore,
  view: string,
  generation: string,
): Promise<void> {
  const Key = reportKey(view, generation);
  await translated(dynamodb.send(new DeleteItemCommand({ TableName: catalogTable, Key })));
}

/** Rows may be large: of those that differ, as many are kept as there is room for. */
function textOf(report: GenerationReport): string {
  const { comparedWithLive } = report;
  for (let listed = comparedWithLive?.differences.length ?? 0; ; listed = Math.floor(listed / 2)) {
    const shortened =
      comparedWithLive === undefined
        ? report
        : {
            ...report,
            comparedWithLive: { ...comparedWithLive, differences: comparedWithLive.differences.slice(0, listed) },
          };
    const text = JSON.stringify(shortened);
    if (Buffer.byteLength(text) <= longestReport || listed === 0) return text;
  }
}
