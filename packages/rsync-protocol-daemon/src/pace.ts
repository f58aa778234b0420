import { setImmediate as nextTurn } from "node:timers/promises";
import type { Wire } from "@dialhome/rsync-protocol";
import { SLICE_MS } from "./constants.ts";

/**
 * Cuts synchronous work into slices: after each the event loop gets a turn, and a stream that is full
 * gets time to empty. Use: `if (pace.over) await pace.rest();` between two pieces of work.
 */
export class Pace {
  readonly #wire: Wire;
  #until = performance.now() + SLICE_MS;

  constructor(wire: Wire) {
    this.#wire = wire;
  }

  /** Whether it is time for a rest. */
  get over(): boolean {
    return this.#wire.congested || performance.now() > this.#until;
  }

  /** Waits. Rejects when the session has failed. */
  async rest(): Promise<void> {
    await nextTurn();
    await this.#wire.drained();
    this.#until = performance.now() + SLICE_MS;
  }
}
