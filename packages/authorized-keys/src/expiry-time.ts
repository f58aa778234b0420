const FORM = /^(\d{4})(\d\d)(\d\d)(?:(\d\d)(\d\d)(\d\d)?)?(Z|UTC)?$/i;

/**
 * The moment that an `expiry-time=` value names, in ms since 1970, or undefined where sshd calls it invalid.
 * `YYYYMMDD`, `YYYYMMDDHHMM` or `YYYYMMDDHHMMSS`, in local time, or in UTC with `Z` (or `UTC`, in any case) behind it.
 */
export function parseExpiryTime(value: string): number | undefined {
  const match = FORM.exec(value);
  if (match === null) return undefined;
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match
    .slice(1, 7)
    .map((digits) => Number(digits ?? "0"));
  if (month < 1 || month > 12 || hour > 23 || minute > 59 || second > 60) return undefined;
  if (day < 1 || day > new Date(Date.UTC(year, month, 0)).getUTCDate() || year < 1000) {
    return undefined;
  }
  return match[7] === undefined
    ? new Date(year, month - 1, day, hour, minute, second).getTime()
    : Date.UTC(year, month - 1, day, hour, minute, second);
}

/** A moment in ms as an `expiry-time=` value in UTC, whole seconds (rounded down). */
export function formatExpiryTime(timeMs: number): string {
  return `${new Date(timeMs).toISOString().replace(/[-:T]/g, "").slice(0, 14)}Z`;
}
