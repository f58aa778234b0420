import { usageError } from "../errors.ts";

/** A number of seconds, as ms. @throws DialhomeError */
export function seconds(name: string, text: string | undefined, least = 0): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d+(\.\d+)?$/.test(text) || value < least || value > 2_000_000) {
    throw usageError(`${name} takes a number of seconds, not "${text}"`);
  }
  return value * 1000;
}

/** A number from 1 on. @throws DialhomeError */
export function count(name: string, text: string | undefined): number | undefined {
  if (text === undefined) return undefined;
  const value = Number(text);
  if (!/^\d{1,7}$/.test(text) || value < 1) {
    throw usageError(`${name} takes a number from 1 on, not "${text}"`);
  }
  return value;
}

type Defined<T> = { [K in keyof T]: Exclude<T[K], undefined> };

/** Leaves out what was not said. */
export function withoutUndefined<T extends object>(options: T): Partial<Defined<T>> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the entries of T, but for some
  return Object.fromEntries(
    Object.entries(options).filter(([, value]) => value !== undefined),
  ) as Partial<Defined<T>>;
}
