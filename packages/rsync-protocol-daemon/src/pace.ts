import { setImmediate as nextTurn, setTimeout as pause } from "node:timers/promises";
import type { Wire } from "@dialhome/rsync-protocol";
import { LONGEST_PAUSE_MS, SLICE_MS } from "./constants.ts";

/**
 * Cuts synchronous work into slices: after each the event loop gets a turn, a stream that is full gets time
 * to empty, and a limit on the rate is kept. Use: `if (pace.over) await pace.rest();` between two pieces of work.
 */
export class Pace {
  readonly #wire: Wire;
  readonly #bytesPerMs: number;
  #until = performance.now() + SLICE_MS;
  /** From when on, and from which byte on, the rate is counted. */
  #countedFrom = performance.now();
  #countedBytes: number;

  /** @param bytesPerSecond - what may be written on average; 0 is no limit */
  constructor(wire: Wire, bytesPerSecond = 0) {
    this.#wire = wire;
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#countedBytes = wire.bytesWritten;
  }

  /** Whether it is time for a rest. */
  get over(): boolean {
    return this.#wire.congested || performance.now() > this.#until || this.#aheadMs() > SLICE_MS;
  }

  /** Sends what was gathered, for whoever works on it at the other end, and waits. Rejects when the session has failed. */
  async rest(): Promise<void> {
    this.#wire.flush();
    await nextTurn();
    for (let ms = this.#aheadMs(); ms > 0; ms = this.#aheadMs()) {
      await pause(Math.min(ms, LONGEST_PAUSE_MS));
      await this.#wire.drained();
    }
    await this.#wire.drained();
    this.#until = performance.now() + SLICE_MS;
  }

  /** By how much the bytes written are ahead of the rate. */
  #aheadMs(): number {
    if (this.#bytesPerMs === 0) return 0;
    const now = performance.now();
    const due = (this.#wire.bytesWritten - this.#countedBytes) / this.#bytesPerMs;
    const ahead = due - (now - this.#countedFrom);
    // Time without work is not saved up for a burst.
    if (ahead < -LONGEST_PAUSE_MS) {
      this.#countedFrom = now;
      this.#countedBytes = this.#wire.bytesWritten;
    }
    return ahead;
  }
}
