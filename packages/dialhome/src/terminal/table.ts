/**
 * Rows as lines with columns of equal width.
 *
 * @param right - columns that are aligned at their right
 */
export function formatTable(
  rows: readonly (readonly string[])[],
  right: readonly number[],
): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [at, cell] of row.entries()) widths[at] = Math.max(widths[at] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, at) => {
        const width = widths[at] ?? 0;
        return right.includes(at) ? cell.padStart(width) : cell.padEnd(width);
      })
      .join("  ")
      .trimEnd(),
  );
}
