import { describe, expect, test } from "vitest";
import { parseStopAfter, parseStopAt } from "../../src/rsync/stop-argument.ts";

/** Thursday the 31st, 15:40. */
const NOW = new Date(2030, 0, 31, 15, 40).getTime();
const at = (text: string, now = NOW): Date => new Date(parseStopAt(text, "--stop-at", now));

describe("--stop-at", () => {
  test.each([
    ["23:59", new Date(2030, 0, 31, 23, 59)],
    ["14:00", new Date(2030, 1, 1, 14, 0)],
    ["T14:00", new Date(2030, 1, 1, 14, 0)],
    [":30", new Date(2030, 0, 31, 16, 30)],
    [":50", new Date(2030, 0, 31, 15, 50)],
    ["30", new Date(2030, 2, 30)],
    ["1", new Date(2030, 1, 1)],
    ["2-28", new Date(2030, 1, 28)],
    ["1-2T3:04", new Date(2031, 0, 2, 3, 4)],
    ["2-29", new Date(2032, 1, 29)],
    ["31-12-1", new Date(2031, 11, 1)],
    ["2030/02/03T14:00", new Date(2030, 1, 3, 14, 0)],
  ])("%s is the next such moment", (text, moment) => {
    expect(at(text)).toEqual(moment);
  });

  test.each(["", "T", "x", "25:00", "1-2-3-4", "13-1", "2029-01-01", "12:60", "0-1"])(
    "%j is refused",
    (text) => {
      expect(() => at(text)).toThrow(/^--stop-at/);
    },
  );
});

describe("--stop-after", () => {
  test("counts minutes", () => {
    expect(parseStopAfter("2", "--stop-after", NOW)).toBe(NOW + 120_000);
  });
  test.each(["0", "-1", "1.5", "x", ""])("%j is refused", (text) => {
    expect(() => parseStopAfter(text, "--stop-after", NOW)).toThrow(/^--stop-after/);
  });
});
