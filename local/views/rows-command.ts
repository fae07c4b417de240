/** `tidemark rows`: what a view holds, as readers see it, the live one or one as of a position. */
import { type Command, InvalidArgumentError, Option } from "commander";
import { attributesText, jsonValue, rowText } from "../../engine/consistency/difference.ts";
import { isNamedBy } from "../../engine/consistency/row-name.ts";
import { entryName } from "../../engine/views/catalog.ts";
import { type Row, ViewReader } from "../../engine/views/view-reader.ts";
import { versionsOf } from "../../projections/registry.ts";
import { command, type CommonOptions, reportingErrors } from "../cli/command-error.ts";
import { deployedOption, type SystemAsked, withStoresOf } from "../system/system-stores.ts";

interface RowsCommandOptions extends CommonOptions, SystemAsked {
  readonly as?: string;
  readonly limit: number;
}

export function rowsCommand(): Command {
  return command("rows", "Shows the rows of a view, as readers see them now.")
    .argument("<view>", "the view")
    .argument("[key]", "only rows of this partition or sort key, or `partition / sort`; all unless given")
    .option("--as <name>", "of a view as of a position, by the name that it was started under")
    .addOption(
      new Option("--limit <number>", "rows that are shown at most").default(100).argParser((text) => {
        if (/^[1-9]\d{0,5}$/.test(text)) return Number(text);
        throw new InvalidArgumentError("Give a whole number from 1 to 999999.");
      }),
    )
    .option(...deployedOption)
    .action(async (view: string, key: string | undefined, options: RowsCommandOptions) => {
      await reportingErrors(options.json, () => showRows(view, key, options));
    });
}

async function showRows(view: string, key: string | undefined, options: RowsCommandOptions): Promise<void> {
  const { json, as, limit } = options;
  versionsOf(view);
  const rows = await withStoresOf(options, async ({ dynamodb, catalog }) => {
    const found: Row[] = [];
    for await (const page of new ViewReader(dynamodb, catalog).rows(entryName(view, as))) {
      found.push(...page.filter((row) => key === undefined || isNamedBy(row.key, key)));
      if (found.length > limit) break;
    }
    return found;
  });
  const shown = rows.slice(0, limit);
  if (json === true) {
    const document = shown.map(({ key: { partition, sort }, attributes }) => ({
      partition,
      sort,
      attributes: jsonValue(attributes),
    }));
    console.log(JSON.stringify({ view: entryName(view, as), rows: document, more: rows.length > limit }));
    return;
  }
  for (const row of shown) console.log(`${rowText(row.key)}  ${attributesText(row.attributes)}`);
  if (rows.length > limit) console.log(`and more: raise --limit, or name a partition`);
}
