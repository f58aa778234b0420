import type { Figures } from "./figures.ts";

/** Who stands below the line: what a user has today, and the same with the cryptography that ssh2 has too. */
const DENOMINATORS = ["A", "B"] as const;

const HEADER = [
  "contender",
  "wall s",
  "/A",
  "/B",
  "CPU s",
  "/A",
  "/B",
  "device + host",
  "resident host",
  "to host B",
  "to device B",
  "peak RSS MiB",
];

const ratio = (value: number, of: number | undefined): string =>
  of === undefined ? "" : (value / of).toFixed(2);

function row(figures: Figures, all: readonly Figures[]): string[] {
  const [a, b] = DENOMINATORS.map((name) => all.find((other) => other.name === name));
  const { wire, residentHostCpuSeconds: resident } = figures;
  return [
    figures.name,
    figures.wallSeconds.toFixed(2),
    ratio(figures.wallSeconds, a?.wallSeconds),
    ratio(figures.wallSeconds, b?.wallSeconds),
    figures.cpuSeconds.toFixed(2),
    ratio(figures.cpuSeconds, a?.cpuSeconds),
    ratio(figures.cpuSeconds, b?.cpuSeconds),
    `${figures.deviceCpuSeconds.toFixed(2)} + ${figures.hostCpuSeconds.toFixed(2)}`,
    resident === undefined ? "" : resident.toFixed(2),
    wire?.toHost.toLocaleString("en-GB") ?? "",
    wire?.toDevice.toLocaleString("en-GB") ?? "",
    [...figures.peakRssMiB].map(([role, size]) => `${role} ${size.toFixed(0)}`).join(", "),
  ];
}

/** One workload's table, as text with aligned columns; the last column is left ragged. */
export function formatTable(all: readonly Figures[]): string {
  const rows = [HEADER, ...all.map((figures) => row(figures, all))];
  const widths = HEADER.map((_, column) =>
    Math.max(...rows.map((cells) => cells[column]?.length ?? 0)),
  );
  const isText = (column: number): boolean => column === 0 || column === HEADER.length - 1;
  return rows
    .map((cells) =>
      cells
        .map((cell, column) =>
          isText(column) ? cell.padEnd(widths[column] ?? 0) : cell.padStart(widths[column] ?? 0),
        )
        .join("  ")
        .trimEnd(),
    )
    .join("\n");
}
