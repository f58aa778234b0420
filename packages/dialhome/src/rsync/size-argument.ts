import { syntaxError } from "./errors.ts";

const UNITS = "bkmgtp";

/**
 * Reads a SIZE as rsync(1) does: a number, with a fraction and a unit if need be; `KB` counts in thousands, `K` and `KiB` in 1024s;
 * `+1` or `-1` at the end is one byte more or less.
 *
 * @param defaultUnit - `b` for bytes, `k` for KiB
 * @returns bytes
 */
export function parseSize(text: string, spelling: string, defaultUnit: "b" | "k"): number {
  const match = /^(\d*(?:\.\d*)?)(?:([bkmgtp])(b|ib)?)?([+-]1)?$/i.exec(text);
  const digits = match?.[1] ?? "";
  if (match === null || !/\d/.test(digits)) throw syntaxError(`${spelling}=${text} is invalid`);
  const unit = (match[2] ?? defaultUnit).toLowerCase();
  const base = match[3]?.toLowerCase() === "b" ? 1000 : 1024;
  const bytes = Math.floor(Number(digits) * base ** UNITS.indexOf(unit)) + Number(match[4] ?? 0);
  if (bytes < 0 || !Number.isSafeInteger(bytes))
    throw syntaxError(`${spelling}=${text} is too large`);
  return bytes;
}
