/**
 * A report as one HTML page that can be sent around and printed: no script, no other file, nothing that is loaded from
 * anywhere.
 */
import type { GenerationReport, ReportedComparison, ReportedDifference } from "./report.ts";
import { countsOf, missingText, verdictOf } from "./report-text.ts";

const style = `
  :root { color-scheme: light dark; --line: #8884; --good: #1a7f37; --bad: #b42318; }
  body { font: 15px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2.5rem auto; padding: 0 1.5rem; }
  h1 { font-size: 1.5rem; margin-bottom: 0.25rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
  .verdict { border-left: 0.4rem solid var(--good); padding: 0.6rem 1rem; font-weight: 600; }
  .verdict.bad { border-color: var(--bad); }
  table { border-collapse: collapse; } td, th { border-bottom: 1px solid var(--line); padding: 0.35rem 0.6rem; }
  th { text-align: left; font-weight: 600; } td, th { vertical-align: top; } td { overflow-wrap: anywhere; }
  .facts th { min-width: 7rem; width: min(17rem, 40vw); } .facts td { font-variant-numeric: tabular-nums; }
  .wide { overflow-x: auto; margin-top: 1.5rem; } .wide td { min-width: 8rem; } code { font-size: 0.85em; }
  ul { padding-left: 1.2rem; } li { overflow-wrap: anywhere; }
  .changed { font-weight: 700; } footer { margin-top: 2.5rem; opacity: 0.7; font-size: 0.85rem; }
`;

export function reportPage(report: GenerationReport): string {
  const { view, checked, comparedWithLive, at, by } = report;
  const isGood = checked === undefined || checked.outcome === "agrees";
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${escaped(`Replay of ${view}, version ${report.version}`)}</title>
<style>${style}</style>
</head>
<body>
<h1>${escaped(`Replay of ${view}`)}</h1>
<p class="verdict${isGood ? "" : " bad"}">${escaped(sentence(verdictOf(report)))}</p>
<h2>What was built</h2>
${table(factsOf(report))}
${checked === undefined ? "" : `<h2>Verified once more</h2>\n${table(checkFacts(checked))}\n${list(checked.lines)}`}
${comparedWithLive === undefined ? "" : comparison(comparedWithLive)}
<footer>${escaped(`Made ${at} by ${by}. Positions are COMMIT/PREPARE of the event log.`)}</footer>
</body>
</html>
`;
}

type Fact = readonly [name: string, value: string | number];

function factsOf(report: GenerationReport): Fact[] {
  const { generation, version, fingerprint, from, until, verifiedTo, rows, guards, scavengedStreams, seconds } = report;
  return [
    ["Generation", generation],
    ["Version", version],
    ...(fingerprint === undefined ? [] : [["Code", fingerprint] as const]),
    ["Counts events from", from],
    ...(until === undefined ? [] : [["Up to", until] as const]),
    ["Verified up to", verifiedTo],
    ["Rows", rows],
    ["Guards", guards],
    ["Events in the log", report.logEvents],
    ["Events read by the back-fill", report.events],
    ["Rows and guards written", report.written],
    ...(scavengedStreams === 0 ? [] : [["Streams without all of their events", scavengedStreams] as const]),
    [
      "Back-fill, verification, comparison",
      `${text(seconds.backFill)}, ${text(seconds.verify)}, ${text(seconds.compare)}`,
    ],
  ];
}

function checkFacts({
  at,
  outcome,
  rows,
  guards,
  differences,
  undecided,
}: NonNullable<GenerationReport["checked"]>): Fact[] {
  return [
    ["When", at],
    ["Outcome", outcome],
    ["Rows", rows],
    ["Guards", guards],
    ["Differences", differences],
    ["Undecided rows", undecided],
  ];
}

function comparison(compared: ReportedComparison): string {
  const { generation, version, differences, missingTable } = compared;
  const counts = countsOf(compared).map(([count, what]): Fact => [sentence(what), count]);
  const unlisted = counts.slice(1).reduce((sum, [, count]) => sum + Number(count), 0) - differences.length;
  const more =
    missingTable !== undefined
      ? `<p>${escaped(sentence(missingText(missingTable)))}.</p>`
      : unlisted > 0
        ? `<p>and ${unlisted} more</p>`
        : "";
  const rows = differences.map(differenceRow).join("\n");
  const listed =
    differences.length === 0
      ? ""
      : `<div class="wide"><table><thead><tr><th scope="col">Row</th><th scope="col">Why</th><th scope="col">Rebuilt</th><th scope="col">Live</th></tr></thead><tbody>\n${rows}\n</tbody></table></div>`;
  return `<h2>Beside the live view</h2>
<p>${escaped(`Generation ${generation}, version ${version}.`)}</p>
${table(counts)}
${listed}
${more}`;
}

/** Attributes that are the same on both sides are told once less loud. */
function differenceRow({ explanation, row, expected, found, why }: ReportedDifference): string {
  const cells =
    why === undefined
      ? `<td>${side(expected, found)}</td><td>${side(found, expected)}</td>`
      : `<td colspan="2">${escaped(why)}</td>`;
  return `<tr><td><code>${escaped(row)}</code></td><td>${escaped(explanations[explanation])}</td>${cells}</tr>`;
}

const explanations: Readonly<Record<ReportedDifference["explanation"], string>> = {
  "damage-in-live": "the live row is not what its events say",
  "behind-in-live": "events have not arrived in the live row",
  "new-definition": "another version of the projection",
  "other-offset": "counts events from another offset on",
  undecided: "could not be decided",
};

function side(attributes: ReportedDifference["expected"], other: ReportedDifference["expected"]): string {
  if (attributes === undefined) return "not there";
  const names = Object.keys(attributes).sort();
  const lines = names.map((name) => {
    const value = JSON.stringify(attributes[name]);
    const isSame = other !== undefined && JSON.stringify(other[name]) === value;
    return `<code${isSame ? "" : ' class="changed"'}>${escaped(`${name}: ${value}`)}</code>`;
  });
  return lines.join("<br>");
}

function table(facts: readonly Fact[]): string {
  const rows = facts.map(([name, value]) => {
    const shown = typeof value === "number" ? value.toLocaleString("en") : value;
    return `<tr><th scope="row">${escaped(name)}</th><td>${escaped(shown)}</td></tr>`;
  });
  return `<table class="facts"><tbody>\n${rows.join("\n")}\n</tbody></table>`;
}

function list(lines: readonly string[]): string {
  return lines.length === 0 ? "" : `<ul>${lines.map((line) => `<li><code>${escaped(line)}</code></li>`).join("")}</ul>`;
}

const text = (seconds: number): string => `${seconds.toFixed(1)} s`;
const sentence = (words: string): string => `${words.charAt(0).toUpperCase()}${words.slice(1)}`;

/** Rows hold what users have typed. */
function escaped(words: string): string {
  return words.replaceAll(
    /[&<>"']/g,
    (character) => ({ "&": "&amp;", "<": "&lt;", ">": "&gt;", '"': "&quot;", "'": "&#39;" })[character] ?? character,
  );
}
