import { expect, test } from "vitest";
import { TIMING } from "../src/constants.ts";
import { blinkPattern } from "../src/pattern.ts";

test("a round: five flashes, a pause, a flash for each bit, a longer pause", () => {
  const mark = { is: "mark", lightMs: 100, untilNextMs: 200 };
  expect(blinkPattern("10", TIMING)).toEqual([
    mark,
    mark,
    mark,
    mark,
    { ...mark, untilNextMs: 1_700 },
    { is: "1", lightMs: 1_300, untilNextMs: 2_000 },
    { is: "0", lightMs: 100, untilNextMs: 5_800 },
  ]);
});

test("the factor is for the kernel's clock alone, and leaves whole ms", () => {
  const [first, , , , , one] = blinkPattern("1", { ...TIMING, durationFactor: 0.015 });
  expect(first).toEqual({ is: "mark", lightMs: 1, untilNextMs: 200 });
  expect(one).toMatchObject({ lightMs: 19, untilNextMs: 7_000 });
});
