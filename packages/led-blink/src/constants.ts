import type { BlinkTiming } from "./timing.ts";

/** Where Linux shows its LEDs, a folder each (Documentation/leds/leds-class.rst). */
export const LED_FOLDER = "/sys/class/leds";

/** The kernel's trigger that lights an LED once for a time (Documentation/leds/ledtrig-transient.rst); its module. */
export const TRANSIENT = { trigger: "transient", module: "ledtrig-transient" } as const;

/** `led-blink-arg`'s timing. A person tells 1.3 s from 0.1 s without a watch, and the mark from either. */
export const TIMING: BlinkTiming = {
  oneMs: 1_300,
  zeroMs: 100,
  gapMs: 700,
  beforeMs: 1_500,
  afterMs: 5_000,
  markLightMs: 100,
  markGapMs: 100,
  markCount: 5,
  durationFactor: 1,
};

/** Longest time of a kind: a minute. A longer one is a slip of the keyboard. Most flashes of a mark. Bounds of the factor. */
export const TIMING_LIMITS = { ms: 60_000, markCount: 100, durationFactor: 1_000 } as const;

/** Digits of a number and bits that are blinked: a serial number of 64 bits fits. */
export const NUMBER_LIMITS = { digits: 20, bits: 64 } as const;

/**
 * The kernel makes the files of a trigger when it is chosen, and udev then gives them to a group: so each is tried for a while, as by
 * the original (12 times in 1 s).
 */
export const ACCESS = { tries: 12, everyMs: 83 } as const;
