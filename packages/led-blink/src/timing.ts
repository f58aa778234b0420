import * as v from "valibot";
import { TIMING, TIMING_LIMITS } from "./constants.ts";
import { LedBlinkError } from "./errors.ts";

/** How long everything lasts. All times in ms. */
export interface BlinkTiming {
  /** Light for a 1. */
  readonly oneMs: number;
  /** Light for a 0. */
  readonly zeroMs: number;
  /** Dark after each bit. */
  readonly gapMs: number;
  /** More dark between the mark and the first bit. */
  readonly beforeMs: number;
  /** More dark behind the last bit. */
  readonly afterMs: number;
  /** Light of each flash of the mark that begins a round. */
  readonly markLightMs: number;
  /** Dark after each flash of the mark. */
  readonly markGapMs: number;
  /** Flashes of the mark. */
  readonly markCount: number;
  /** Every light is told to the kernel times this, for a clock of its that is off; the pauses stay. */
  readonly durationFactor: number;
}

/** What can be said in place of the defaults. */
export interface BlinkConfiguration {
  readonly timing: BlinkTiming;
  /** Another place than {@link LED_FOLDER}. */
  readonly ledFolder?: string;
}

const time = (most: number): v.GenericSchema<number> =>
  v.pipe(v.number(), v.minValue(0), v.maxValue(most));
const ms = time(TIMING_LIMITS.ms);
const seconds = time(TIMING_LIMITS.ms / 1000);
const count = v.pipe(v.number(), v.integer(), v.minValue(0), v.maxValue(TIMING_LIMITS.markCount));

/** The keys of `led-blink-arg --conf`, in its units. */
const SCHEMA = v.strictObject({
  /** One, zero, gap, ms. */
  bit_repr: v.optional(v.strictTuple([ms, ms, ms])),
  /** Before and after the bits, seconds. */
  interval: v.optional(v.strictTuple([seconds, seconds])),
  /** Light and dark, ms; how often. */
  interval_mark: v.optional(v.strictTuple([ms, ms, count])),
  duration_factor: v.optional(time(TIMING_LIMITS.durationFactor)),
  leds_root: v.optional(v.pipe(v.string(), v.nonEmpty())),
});

/**
 * Reads `{"bit_repr": [2000, 200, 1400], "interval": [2.0, 10.0]}`: the original's keys, each of which takes the place of a default.
 *
 * @throws LedBlinkError `ERR_LED_BLINK_CONFIGURATION` also for a key that the original would pass over: it is a slip
 */
export function parseBlinkConfiguration(json: string): BlinkConfiguration {
  let value: unknown;
  try {
    value = JSON.parse(json);
  } catch (cause) {
    throw configurationError("it is no JSON", cause);
  }
  // To valibot a list is an object without keys.
  if (Array.isArray(value)) throw configurationError("it is a list, and no object");
  const read = v.safeParse(SCHEMA, value);
  if (!read.success) {
    const [issue] = read.issues;
    throw configurationError(`${v.getDotPath(issue) ?? "it"}: ${issue.message}`);
  }
  const { bit_repr, interval, interval_mark, duration_factor, leds_root } = read.output;
  const [oneMs, zeroMs, gapMs] = bit_repr ?? [TIMING.oneMs, TIMING.zeroMs, TIMING.gapMs];
  const [before, after] = interval ?? [TIMING.beforeMs / 1000, TIMING.afterMs / 1000];
  const [markLightMs, markGapMs, markCount] = interval_mark ?? [
    TIMING.markLightMs,
    TIMING.markGapMs,
    TIMING.markCount,
  ];
  const timing: BlinkTiming = {
    oneMs,
    zeroMs,
    gapMs,
    beforeMs: before * 1000,
    afterMs: after * 1000,
    markLightMs,
    markGapMs,
    markCount,
    durationFactor: duration_factor ?? TIMING.durationFactor,
  };
  if (markCount === 0 && roundMs(timing) === 0) {
    throw configurationError("a round of it takes no time");
  }
  return { timing, ...(leds_root === undefined ? {} : { ledFolder: leds_root }) };
}

/** Shortest time of a round with a bit, ms. */
function roundMs({ oneMs, zeroMs, gapMs, beforeMs, afterMs }: BlinkTiming): number {
  return Math.min(oneMs, zeroMs) + gapMs + beforeMs + afterMs;
}

function configurationError(why: string, cause?: unknown): LedBlinkError {
  const message = `the configuration of the blinking makes no sense: ${why}`;
  return new LedBlinkError("ERR_LED_BLINK_CONFIGURATION", message, { cause });
}
