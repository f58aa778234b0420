import { syntaxError } from "./errors.ts";

const MINUTE_MS = 60_000;

/** `--stop-after`: minutes from now. @returns ms since 1970 */
export function parseStopAfter(text: string, spelling: string, nowMs: number): number {
  const minutes = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (minutes === 0) throw syntaxError(`${spelling}: invalid value "${text}"`);
  return nowMs + minutes * MINUTE_MS;
}

/**
 * `--stop-at`: a moment in local time, `y-m-dTh:m`, of which what is left out in front is taken so that it is the next such moment:
 * `23:59`, `:30`, `1-31T12:00`, `2031-01-31`.
 *
 * @returns ms since 1970
 */
export function parseStopAt(text: string, spelling: string, nowMs: number): number {
  const at = findMoment(text, new Date(nowMs));
  if (at === undefined) throw syntaxError(`${spelling}: invalid format "${text}"`);
  if (at <= nowMs) throw syntaxError(`${spelling}: "${text}" is in the past`);
  return at;
}

function findMoment(text: string, now: Date): number | undefined {
  const match =
    /^(?:(?:(?:(\d{1,4})[-/])?(\d{1,2})[-/])?(\d{1,2}))?(?:(?:^|T)(\d{1,2})?:(\d{1,2})|T)?$/i.exec(
      text,
    );
  if (match === null || text === "" || /^T$/i.test(text)) return undefined;
  const given = (index: number): number | undefined =>
    match[index] === undefined ? undefined : Number(match[index]);
  const [year, month, day, hour, minute] = [1, 2, 3, 4, 5].map(given);
  if (hour === undefined && minute !== undefined && day !== undefined) return undefined;
  const thisYear = now.getFullYear();
  const fullYear = year === undefined || year >= 100 ? year : nextCentury(year, thisYear);
  const begin = {
    year: fullYear ?? thisYear,
    month: month ?? now.getMonth() + 1,
    day: day ?? now.getDate(),
    hour: hour ?? (minute === undefined ? 0 : now.getHours()),
    minute: minute ?? 0,
  };
  if (begin.hour > 23 || begin.minute > 59 || begin.month < 1 || begin.month > 12) return undefined;
  if (begin.day < 1 || begin.day > 31) return undefined;
  // The smallest unit that was left out in front is counted up until the moment lies ahead and exists.
  const step =
    year === undefined
      ? month === undefined
        ? day === undefined
          ? hour === undefined && minute !== undefined
            ? "hour"
            : "day"
          : "month"
        : "year"
      : undefined;
  for (let more = 0; more <= STEPS; more++) {
    const add = (unit: string): number => (step === unit ? more : 0);
    const at = new Date(
      begin.year + add("year"),
      begin.month - 1 + add("month"),
      begin.day + add("day"),
      begin.hour + add("hour"),
      begin.minute,
    );
    const exists = step === "day" || step === "hour" || at.getDate() === begin.day;
    if (exists && (at > now || step === undefined)) return at.getTime();
    if (step === undefined) return undefined;
  }
  return undefined;
}

/** A 29th of February is at most eight years away. */
const STEPS = 8;

function nextCentury(year: number, thisYear: number): number {
  const century = 1900 + year;
  return century + Math.max(0, Math.ceil((thisYear - century) / 100)) * 100;
}
