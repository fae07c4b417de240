/** A report in its three forms: the same facts, and nothing that a row holds is taken for markup. */
import { expect, it } from "vitest";
import { putReport, readReport } from "../../../engine/replay/report-store.ts";
import type { GenerationReport } from "../../../engine/replay/report.ts";
import { reportPage } from "../../../engine/replay/report-page.ts";
import { reportText } from "../../../engine/replay/report-text.ts";
import { createCatalogTable } from "../views/views-for-test.ts";
import { healthyDynamoDB } from "./replay-for-test.ts";

const report: GenerationReport = {
  view: "sales-by-month",
  generation: "20261127T150000-0a1b2c3d",
  version: 2,
  fingerprint: "0123456789abcdef0123456789abcdef",
  from: "0/0",
  at: "2026-11-27T15:00:00.000Z",
  by: "ada at her desk",
  events: 1_200,
  written: 400,
  logEvents: 12_345,
  verifiedTo: "4711/4711",
  rows: 23,
  guards: 830,
  scavengedStreams: 0,
  seconds: { backFill: 1.5, verify: 0.25, compare: 0.5 },
  comparedWithLive: {
    generation: "20261001T080000-ffffffff",
    version: 1,
    same: 20,
    damaged: 0,
    behind: 0,
    changed: 4,
    otherOffset: 0,
    undecided: 1,
    differences: [
      {
        explanation: "new-definition",
        row: "months / 1996-07#USD",
        expected: { cancelled: 1, orders: 22, note: "<script>alert('&')</script>" },
        found: { orders: 22 },
      },
      { explanation: "new-definition", row: "months / 1996-08#USD", expected: { orders: 1 } },
      { explanation: "damage-in-live", row: "months / 1999-01#USD", found: { orders: 9 } },
      { explanation: "undecided", row: "months / 1996-09#USD", why: "it was never at rest" },
    ],
  },
};

it("tells the same in text: what was proved, and each row that is another", () => {
  expect(reportText(report)).toBe(
    [
      "sales-by-month: every row and guard is what the events say",
      "  generation  20261127T150000-0a1b2c3d, version 2",
      "  made        2026-11-27T15:00:00.000Z by ada at her desk",
      "  verified    23 rows and 830 guards up to 4711/4711",
      "  live view   20 rows as before, 0 mended, 4 changed by the new definition, 1 undecided",
      `              new-definition: row months / 1996-07#USD: expected {"cancelled":1,"note":"<script>alert('&')</script>","orders":22}, found {"orders":22}`,
      '              new-definition: row months / 1996-08#USD: expected {"orders":1}, is missing',
      '              damage-in-live: row months / 1999-01#USD: should not be there, found {"orders":9}',
      "              undecided: row months / 1996-09#USD: it was never at rest",
    ].join("\n"),
  );
});

it("says first of all when it was found wrong later on", () => {
  const checked = {
    at: "2026-11-27T16:00:00.000Z",
    outcome: "differs" as const,
    rows: 23,
    guards: 830,
    differences: 2,
    undecided: 0,
    lines: ["row months / 1996-07#USD is missing: expected {}"],
  };
  const [first] = reportText({ ...report, checked }).split("\n");
  expect(first).toBe("sales-by-month: it DIFFERS from its events in 2 places");
  const page = reportPage({ ...report, checked });
  expect(page).toContain('<p class="verdict bad">It DIFFERS from its events in 2 places</p>');
  expect(page).toContain("row months / 1996-07#USD is missing");
});

it("is one page that loads nothing, runs nothing and shows what rows hold as text", () => {
  const page = reportPage(report);
  expect(page).toMatch(/^<!doctype html>\n<html lang="en">/);
  expect(page).toContain("<title>Replay of sales-by-month, version 2</title>");
  expect(page).not.toMatch(/<script|<link|<img|<iframe|src=|href=|url\(|@import/);
  expect(page).toContain("&lt;script&gt;alert(&#39;&amp;&#39;)&lt;/script&gt;");
  for (const fact of [
    "20261127T150000-0a1b2c3d",
    "12,345",
    "4711/4711",
    "1.5 s, 0.3 s, 0.5 s",
    "it was never at rest",
  ]) {
    expect(page).toContain(fact);
  }
  // What is new on one side is told louder than what is the same on both.
  expect(page).toContain('<code class="changed">cancelled: 1</code>');
  expect(page).toContain("<code>orders: 22</code>");
  expect(page.match(/<td>not there<\/td>/g)).toHaveLength(2);
  // Five are not the same, of which four are listed.
  expect(page).toContain("and 1 more");
});

it("is kept as it is, and of very many large differences as many as there is room for", async () => {
  const dynamodb = healthyDynamoDB();
  const catalogTable = await createCatalogTable(dynamodb);
  const store = { dynamodb, catalogTable };
  await putReport(store, report.view, report);
  expect(await readReport(store, report.view, report.generation)).toStrictEqual(report);
  expect(await readReport(store, report.view, "another")).toBeUndefined();
  const { comparedWithLive } = report;
  if (comparedWithLive === undefined) throw new Error("The report compares.");
  const large = { explanation: "new-definition" as const, row: "r", expected: { text: "x".repeat(20_000) } };
  const differences = Array.from({ length: 100 }, () => large);
  await putReport(store, report.view, { ...report, comparedWithLive: { ...comparedWithLive, differences } });
  const kept = await readReport(store, report.view, report.generation);
  expect(kept?.comparedWithLive?.changed).toBe(4);
  expect(kept?.comparedWithLive?.differences.length).toBeGreaterThan(5);
  expect(kept?.comparedWithLive?.differences.length).toBeLessThan(20);
  dynamodb.destroy();
});
