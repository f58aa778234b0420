import { expect, test } from "vitest";
import { TIMING, TIMING_LIMITS } from "../src/constants.ts";
import { parseBlinkConfiguration } from "../src/timing.ts";

test("what is not said stays the original's", () => {
  expect(parseBlinkConfiguration("{}")).toEqual({ timing: TIMING });
});

test("the original's keys, in its units", () => {
  const json = `{"bit_repr": [2000, 200, 1400], "interval": [2.0, 10.0], "interval_mark": [50, 60, 3],
    "duration_factor": 0.5, "leds_root": "/tmp/leds"}`;
  expect(parseBlinkConfiguration(json)).toEqual({
    timing: {
      oneMs: 2000,
      zeroMs: 200,
      gapMs: 1400,
      beforeMs: 2000,
      afterMs: 10_000,
      markLightMs: 50,
      markGapMs: 60,
      markCount: 3,
      durationFactor: 0.5,
    },
    ledFolder: "/tmp/leds",
  });
});

test.each([
  ["nonsense", /it is no JSON$/],
  ["[]", /a list, and no object$/],
  ['{"bit_reps": [1, 2, 3]}', /bit_reps/],
  ['{"bit_repr": [1, 2]}', /bit_repr/],
  ['{"bit_repr": [1, 2, 3, 4]}', /bit_repr/],
  ['{"bit_repr": [1, 2, "3"]}', /bit_repr\.2/],
  ['{"bit_repr": [-1, 2, 3]}', /bit_repr\.0/],
  [`{"bit_repr": [${TIMING_LIMITS.ms + 1}, 2, 3]}`, /bit_repr\.0/],
  ['{"interval": [61, 0]}', /interval\.0/],
  ['{"interval_mark": [1, 1, 1.5]}', /interval_mark\.2/],
  [`{"interval_mark": [1, 1, ${TIMING_LIMITS.markCount + 1}]}`, /interval_mark\.2/],
  ['{"duration_factor": -1}', /duration_factor/],
  ['{"leds_root": ""}', /leds_root/],
  ['{"bit_repr": [0, 0, 0], "interval": [0, 0], "interval_mark": [1, 1, 0]}', /takes no time$/],
])("%s is refused", (json, message) => {
  expect(() => parseBlinkConfiguration(json)).toThrow(message);
  expect(() => parseBlinkConfiguration(json)).toThrow(
    expect.objectContaining({ code: "ERR_LED_BLINK_CONFIGURATION" }),
  );
});

test("each time may be at its limit", () => {
  const { ms, markCount } = TIMING_LIMITS;
  const json = JSON.stringify({
    bit_repr: [ms, ms, ms],
    interval: [ms / 1000, ms / 1000],
    interval_mark: [ms, ms, markCount],
  });
  expect(parseBlinkConfiguration(json).timing).toMatchObject({ oneMs: ms, afterMs: ms, markCount });
});
