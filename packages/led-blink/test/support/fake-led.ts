import type { Pause } from "../../src/blink.ts";
import type { Led } from "../../src/led.ts";

/** What was written, and when by the test's clock. */
export type Written = readonly [ms: number, attribute: string, value: string];

/** An LED in memory that keeps what is written to it, with a clock that only pauses move. */
export interface FakeLed {
  readonly led: Led;
  readonly written: readonly Written[];
  readonly pause: Pause;
  /** The time now, ms. */
  readonly now: () => number;
  /** Does something when the clock comes to a time, within the pause that it falls into. */
  readonly at: (ms: number, act: () => void) => void;
}

/**
 * @param files - attribute → content; others are not there
 * @param refuses - throws what the system would throw for a write, if it would
 */
export function fakeLed(
  files: Readonly<Record<string, string>>,
  refuses: (attribute: string, ms: number) => void = () => undefined,
): FakeLed {
  const written: Written[] = [];
  const plans: (readonly [number, () => void])[] = [];
  let clock = 0;
  const led: Led = {
    name: "led0",
    read: (attribute) => {
      const content = files[attribute];
      if (content === undefined) throw new Error(`ENOENT: ${attribute}`);
      return content;
    },
    write: (attribute, value) => {
      refuses(attribute, clock);
      written.push([clock, attribute, value]);
    },
  };
  const pause: Pause = async (ms, signal) => {
    const until = clock + ms;
    for (const [at, act] of plans.filter((plan) => plan[0] > clock && plan[0] <= until)) {
      clock = at;
      act();
      signal?.throwIfAborted();
    }
    clock = until;
    signal?.throwIfAborted();
  };
  return { led, written, pause, now: () => clock, at: (ms, act) => plans.push([ms, act]) };
}
