import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { backoffMs } from "../src/backoff.ts";

const OPTIONS = { minDelayMs: 1_000, maxDelayMs: 60_000, steadyAfterMs: 60_000 };

describe("backoffMs", () => {
  it("doubles its upper end until the longest pause", () => {
    const ends = [0, 1, 2, 5, 6, 100].map((tries) => backoffMs(tries, OPTIONS, () => 0.999_999));
    expect(ends).toEqual([999, 1_999, 3_999, 31_999, 59_999, 59_999]);
  });

  it("draws from the whole range: full jitter", () => {
    expect(backoffMs(3, OPTIONS, () => 0)).toBe(0);
    expect(backoffMs(3, OPTIONS, () => 0.5)).toBe(4_000);
  });

  it("never leaves its bounds", () => {
    fc.assert(
      fc.property(
        fc.nat(),
        fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true }),
        (tries, chance) => {
          const delay = backoffMs(tries, OPTIONS, () => chance);
          expect(Number.isInteger(delay)).toBe(true);
          expect(delay).toBeGreaterThanOrEqual(0);
          expect(delay).toBeLessThan(OPTIONS.maxDelayMs);
        },
      ),
    );
  });
});
