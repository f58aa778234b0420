import type { BlinkTiming } from "./timing.ts";

/** One flash of light, and what comes after it. */
export interface Flash {
  /** `1` and `0` are bits, `mark` begins a round. */
  readonly is: "mark" | "1" | "0";
  /** How long the kernel is told to keep the light on, in its ms. */
  readonly lightMs: number;
  /** From the beginning of this flash to that of the next, ms. */
  readonly untilNextMs: number;
}

/**
 * One round: the mark, then a flash for each bit, long for 1 and short for 0.
 *
 * @param bits - `0` and `1` in their order, as `lastBits` gives them
 */
export function blinkPattern(bits: string, timing: BlinkTiming): readonly Flash[] {
  const { oneMs, zeroMs, gapMs, markLightMs, markGapMs, markCount } = timing;
  const inKernelMs = (lightMs: number): number => Math.trunc(lightMs * timing.durationFactor);
  const mark = Array.from(
    { length: markCount },
    (): Flash => ({
      is: "mark",
      lightMs: inKernelMs(markLightMs),
      untilNextMs: markLightMs + markGapMs,
    }),
  );
  const number = bits.split("").map((bit): Flash => {
    const lightMs = bit === "1" ? oneMs : zeroMs;
    return {
      is: bit === "1" ? "1" : "0",
      lightMs: inKernelMs(lightMs),
      untilNextMs: lightMs + gapMs,
    };
  });
  return [...withLonger(mark, timing.beforeMs), ...withLonger(number, timing.afterMs)];
}

/** The same flashes, with more dark behind the last one. */
function withLonger(flashes: readonly Flash[], moreMs: number): readonly Flash[] {
  return flashes.map((flash, at) =>
    at < flashes.length - 1 ? flash : { ...flash, untilNextMs: flash.untilNextMs + moreMs },
  );
}
