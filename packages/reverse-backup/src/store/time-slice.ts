import { setImmediate as nextTurn } from "node:timers/promises";
import { SLICE_MS } from "./constants.ts";

/** Looking at the clock costs as much as a cheap step, so it is done for every so many of them. */
const STEPS_PER_LOOK = 32;

/** Cuts long synchronous work into slices, so that keepalives and other transfers live on beside it. */
export class TimeSlice {
  readonly #signal: AbortSignal | undefined;
  #steps = 0;
  #began: number = performance.now();

  constructor(signal?: AbortSignal) {
    this.#signal = signal;
    signal?.throwIfAborted();
  }

  /** Whether the slice is used up; `weight` tells how many cheap steps were done. */
  due(weight = 1): boolean {
    this.#steps += weight;
    if (this.#steps < STEPS_PER_LOOK) return false;
    this.#steps = 0;
    return performance.now() - this.#began >= SLICE_MS;
  }

  /** Gives the event loop a turn. Rejects with the signal's reason when it has aborted. */
  async pause(): Promise<void> {
    await nextTurn();
    this.#signal?.throwIfAborted();
    this.#began = performance.now();
  }
}
