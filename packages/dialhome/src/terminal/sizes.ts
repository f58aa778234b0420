const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"] as const;

/** A number of bytes for people, in powers of 1000: `1.2 MB`. */
export function formatBytes(bytes: number): string {
  let value = bytes;
  let unit = 0;
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  const digits = unit === 0 || value >= 99.95 ? 0 : 1;
  return `${value.toFixed(digits)} ${UNITS[unit] ?? ""}`;
}

/** A number with separators between thousands: `12,345`. */
export function formatCount(count: number): string {
  return count.toLocaleString("en-US");
}

/** A count and what is counted: `1 file`, `1,204 files`. */
export function formatFiles(count: number): string {
  return `${formatCount(count)} ${count === 1 ? "file" : "files"}`;
}
