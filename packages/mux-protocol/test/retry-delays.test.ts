import * as fc from "fast-check";
import { expect, test } from "vitest";
import { retryDelays } from "../src/retry-delays.ts";

test.each([
  [7, 10_000, [0, 259, 609, 1082, 1721, 2582, 3746]],
  [4, 5_000, [0, 477, 1389, 3134]],
])("%i tries in %i ms are spread as the original spreads them", (tries, timeoutMs, expected) => {
  expect(retryDelays(tries, timeoutMs).map(Math.round)).toEqual(expected);
});

test("they fill the time, each pause longer than the one before", () => {
  fc.assert(
    fc.property(
      fc.integer({ min: 1, max: 101 }),
      fc.integer({ min: 1, max: 3_600_000 }),
      (tries, ms) => {
        const delays = retryDelays(tries, ms);
        expect(delays).toHaveLength(tries);
        expect(delays[0]).toBe(0);
        expect(delays.toSorted((a, b) => a - b)).toEqual(delays);
        const sum = delays.reduce((all, one) => all + one, 0);
        expect(Math.abs(sum - (tries > 1 ? ms : 0))).toBeLessThan(1);
      },
    ),
  );
});
