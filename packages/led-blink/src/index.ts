/**
 * Blinks the last bits of a number on an LED of Linux, so that a person can tell boards apart.
 *
 * @packageDocumentation
 */
export { type BlinkOptions, blink, type Pause } from "./blink.ts";
export { LED_FOLDER, NUMBER_LIMITS, TIMING, TIMING_LIMITS } from "./constants.ts";
export { LedBlinkError, type LedBlinkErrorCode } from "./errors.ts";
export { type Led, openLed } from "./led.ts";
export { type BlinkNumber, lastBits, parseBlinkNumber, pickNumber } from "./number.ts";
export { blinkPattern, type Flash } from "./pattern.ts";
export { type BlinkConfiguration, type BlinkTiming, parseBlinkConfiguration } from "./timing.ts";
