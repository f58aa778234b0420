import { setTimeout } from "node:timers/promises";
import { ACCESS, TIMING, TRANSIENT } from "./constants.ts";
import { LedBlinkError } from "./errors.ts";
import type { Led } from "./led.ts";
import { blinkPattern, type Flash } from "./pattern.ts";
import type { BlinkTiming } from "./timing.ts";
import { readTrigger, restoreTrigger } from "./trigger.ts";

/** Waits so many ms; rejects when the signal is aborted. */
export type Pause = (ms: number, signal: AbortSignal | undefined) => Promise<void>;

/** What {@link blink} does. */
export interface BlinkOptions {
  readonly led: Led;
  /** `0` and `1` in the order in which they are blinked, as `lastBits` gives them. */
  readonly bits: string;
  /** @defaultValue the original's */
  readonly timing?: BlinkTiming;
  /** So many rounds. @defaultValue Infinity */
  readonly rounds?: number;
  /** Ends it, in good order. */
  readonly signal?: AbortSignal;
  /** Hears of each flash as it begins. */
  readonly onFlash?: (flash: Flash) => void;
  /** A test's clock. @defaultValue `setTimeout` of `node:timers/promises` */
  readonly pause?: Pause;
}

const realPause: Pause = async (ms, signal) => {
  await setTimeout(ms, undefined, signal === undefined ? {} : { signal });
};

/**
 * Blinks until its rounds are over or the signal is aborted, and then lets the LED do what it did before; resolves when it does.
 *
 * @throws LedBlinkError `ERR_LED_BLINK_LED` when the LED cannot be written, `ERR_LED_BLINK_TRIGGER` when the kernel lacks the trigger
 */
export async function blink(options: BlinkOptions): Promise<void> {
  const { led, signal } = options;
  if (signal?.aborted) return;
  const former = readTrigger(led);
  try {
    await write(options, "trigger", TRANSIENT.trigger);
    try {
      await write(options, "state", "1");
      await playRounds(options);
    } finally {
      // Without the signal: it is the end that it asked for.
      await patiently(led, () => restoreTrigger(led, former), options.pause, undefined);
    }
  } catch (error) {
    if (!signal?.aborted || error instanceof LedBlinkError) throw error;
  }
}

async function playRounds(options: BlinkOptions): Promise<void> {
  const { bits, timing = TIMING, rounds = Infinity, signal, pause = realPause } = options;
  const pattern = blinkPattern(bits, timing);
  for (let round = 0; round < rounds; round++) {
    for (const flash of pattern) {
      await write(options, "duration", String(flash.lightMs));
      await write(options, "activate", "1");
      options.onFlash?.(flash);
      await pause(flash.untilNextMs, signal);
    }
  }
}

function write(options: BlinkOptions, attribute: string, value: string): Promise<void> {
  const { led, pause, signal } = options;
  return patiently(led, () => led.write(attribute, value), pause, signal);
}

/** Does what may fail for a moment until it works, or the time is over. */
async function patiently(
  { name }: Led,
  act: () => void,
  pause: Pause | undefined,
  signal: AbortSignal | undefined,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      act();
      return;
    } catch (cause) {
      if (tries === ACCESS.tries) {
        const why = cause instanceof Error ? cause.message : String(cause);
        throw new LedBlinkError("ERR_LED_BLINK_LED", `cannot write LED ${name}: ${why}`, { cause });
      }
    }
    await (pause ?? realPause)(ACCESS.everyMs, signal);
  }
}
