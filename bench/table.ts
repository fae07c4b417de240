/** Results that are no ratio: rows of figures under the names of their columns. */
export interface Table {
  readonly name: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** As text, every column as wide as its widest figure. */
export function formatTable({ name, columns, rows }: Table): string {
  const widths = columns.map((column, index) => Math.max(column.length, ...rows.map((row) => row[index]?.length ?? 0)));
  const line = (cells: readonly string[]): string =>
    `  ${cells.map((cell, index) => cell.padStart(widths[index] ?? 0)).join("  ")}`;
  return [name, line(columns), ...rows.map(line)].join("\n");
}
