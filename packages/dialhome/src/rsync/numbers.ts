const UNITS = ["", "K", "M", "G", "T", "P"] as const;

/**
 * A number as rsync prints it, by its level of `-h`: 0 digits only, 1 with separators, 2 in units of 1000, 3 of 1024.
 */
export function formatNumber(value: number, human: number): string {
  if (human <= 0) return String(value);
  const base = human >= 3 ? 1024 : 1000;
  if (human === 1 || value < base) return value.toLocaleString("en-US");
  let scaled = value;
  let unit = 0;
  while (scaled >= base && unit < UNITS.length - 1) {
    scaled /= base;
    unit += 1;
  }
  return `${scaled.toFixed(2)}${UNITS[unit] ?? ""}`;
}

/** A number with two decimals, with separators unless the level is 0: speeds. */
export function formatRate(value: number, human: number): string {
  if (human > 1) return formatNumber(value, human);
  const [whole = "0", decimals = "00"] = value.toFixed(2).split(".");
  return `${formatNumber(Number(whole), human)}.${decimals}`;
}
