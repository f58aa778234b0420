/** Median of numbers; NaN of none. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const low = sorted[Math.ceil(middle) - 1] ?? Number.NaN;
  const high = sorted[Math.floor(middle)] ?? Number.NaN;
  return (low + high) / 2;
}

/** What must hold of a figure, or of its ratio to OpenSSH's. */
export interface Bound {
  readonly text: string;
  readonly holds: (ours: number, theirs: number) => boolean;
}

/** A row of the printed table: medians of all rounds. */
export interface Row {
  readonly what: string;
  readonly unit: string;
  readonly ours: readonly number[];
  /** OpenSSH's, in the same rounds; empty where there is no such thing. */
  readonly theirs: readonly number[];
  readonly bound?: Bound;
}

/** `≥ n × OpenSSH` */
export const atLeastTimes = (factor: number): Bound => ({
  text: `≥ ${factor} ×`,
  holds: (ours, theirs) => ours >= factor * theirs,
});

/** `≤ n × OpenSSH` */
export const atMostTimes = (factor: number): Bound => ({
  text: `≤ ${factor} ×`,
  holds: (ours, theirs) => ours <= factor * theirs,
});

/** `≤ n` of the row's unit. */
export const atMost = (limit: number, unit: string): Bound => ({
  text: `≤ ${limit} ${unit}`,
  holds: (ours) => ours <= limit,
});

const format = (value: number): string => {
  if (Number.isNaN(value)) return "";
  if (value >= 100) return value.toFixed(0);
  return value.toFixed(value >= 10 ? 1 : 2);
};

/** The cells of a table, its head included. */
export function cellsOf(rows: readonly Row[]): string[][] {
  const body = rows.map(({ what, unit, ours, theirs, bound }) => {
    const own = median(ours);
    const other = median(theirs);
    const verdict = bound === undefined ? "" : bound.holds(own, other) ? "yes" : "NO";
    const ratio = theirs.length === 0 ? "" : format(own / other);
    return [what, unit, format(own), format(other), ratio, bound?.text ?? "", verdict];
  });
  return [["", "", "dialhome", "OpenSSH", "ratio", "must", "holds"], ...body];
}

/** Lines of a table in columns; so many of them, from the left, are words and not numbers. */
export function formatCells(cells: readonly (readonly string[])[], words: number): string {
  const widths = (cells[0] ?? []).map((_, column) =>
    Math.max(...cells.map((row) => row[column]?.length ?? 0)),
  );
  return cells
    .map((row) =>
      row
        .map((cell, at) =>
          at < words ? cell.padEnd(widths[at] ?? 0) : cell.padStart(widths[at] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
