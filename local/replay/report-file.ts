import { writeFile } from "node:fs/promises";
import { extname } from "node:path";
import type { GenerationReport } from "../../engine/replay/report.ts";
import { reportPage } from "../../engine/replay/report-page.ts";
import { reportText } from "../../engine/replay/report-text.ts";

/** Writes the report in the form that the file's name asks for. Throws the errors of the file system. */
export async function writeReport(file: string, report: GenerationReport): Promise<void> {
  await writeFile(file, inFormOf(extname(file), report));
}

function inFormOf(extension: string, report: GenerationReport): string {
  switch (extension) {
    case ".html":
      return reportPage(report);
    case ".json":
      return `${JSON.stringify(report, null, 2)}\n`;
    default:
      return `${reportText(report)}\n`;
  }
}
