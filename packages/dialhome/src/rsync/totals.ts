import type { ServerStatistics } from "@dialhome/rsync-protocol";
import type { KindCounts, PullSummary } from "@dialhome/rsync-protocol-client";
import { formatNumber, formatRate } from "./numbers.ts";

/** The block that `--stats` prints, without the two lines of {@link formatTotals}; older protocols have fewer of them. */
export function formatStatistics(summary: PullSummary, human: number): string[] {
  const number = (value: number): string => formatNumber(value, human);
  const { server, protocol } = summary;
  const lines = [`Number of files: ${formatCounts(summary.listed, human)}`];
  if (protocol >= 29) {
    lines.push(`Number of created files: ${formatCounts(summary.created, human)}`);
  }
  if (protocol >= 31) {
    lines.push(`Number of deleted files: ${formatCounts(summary.deleted, human)}`);
  }
  lines.push(
    `Number of regular files transferred: ${number(summary.transferredFiles)}`,
    `Total file size: ${number(summary.totalBytes)} bytes`,
    `Total transferred file size: ${number(summary.transferredBytes)} bytes`,
    `Literal data: ${number(summary.literalBytes)} bytes`,
    `Matched data: ${number(summary.matchedBytes)} bytes`,
    `File list size: ${number(summary.listBytes)}`,
    ...(server?.listBuildMs ? listTimes(server) : []),
    `Total bytes sent: ${number(summary.bytesSent)}`,
    `Total bytes received: ${number(summary.bytesReceived)}`,
  );
  return lines;
}

/** How long the sender took over the list, where it tells. */
function listTimes({ listBuildMs, listTransferMs }: ServerStatistics): string[] {
  return [
    `File list generation time: ${seconds(listBuildMs)}`,
    `File list transfer time: ${seconds(listTransferMs)}`,
  ];
}

/** The two lines at the end of `-v` and `--stats`. */
export function formatTotals(
  summary: PullSummary,
  elapsedMs: number,
  human: number,
  isDryRun: boolean,
): string[] {
  const { bytesSent, bytesReceived, totalBytes } = summary;
  const moved = bytesSent + bytesReceived;
  // rsync counts in whole seconds, and the last one by half.
  const rate = moved / (0.5 + Math.floor(elapsedMs / 1000));
  const speedup = moved === 0 ? 0 : totalBytes / moved;
  const number = (value: number): string => formatNumber(value, human);
  return [
    `sent ${number(bytesSent)} bytes  received ${number(bytesReceived)} bytes  ${formatRate(rate, human)} bytes/sec`,
    `total size is ${number(totalBytes)}  speedup is ${formatRate(speedup, Math.min(human, 1))}${isDryRun ? " (DRY RUN)" : ""}`,
  ];
}

function formatCounts(counts: Readonly<KindCounts>, human: number): string {
  const kinds = [
    ["reg", counts.files],
    ["dir", counts.directories],
    ["link", counts.symlinks],
    ["dev", counts.devices],
    ["special", counts.specials],
  ] as const;
  const total = kinds.reduce((sum, [, count]) => sum + count, 0);
  const parts = kinds
    .filter(([, count]) => count > 0)
    .map(([kind, count]) => `${kind}: ${formatNumber(count, human)}`);
  const detail = parts.length > 0 ? ` (${parts.join(", ")})` : "";
  return `${formatNumber(total, human)}${detail}`;
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(3)} seconds`;
}
