/** How a dead peer is found. */
export interface LivenessOptions {
  /** Silence after which the peer is asked for a sign of life, ms; 0 switches it off. */
  readonly intervalMs: number;
  /** Silent intervals after which the peer counts as dead; at least 2. */
  readonly countMax: number;
  readonly ping: () => void;
  readonly onDead: () => void;
}

/**
 * Watches for silence: each interval without a byte asks the peer for an answer, and `countMax` of them in a row mean
 * that it is gone: found `intervalMs × countMax` after its last byte. Counts intervals that were lived through, not the clock, so
 * that a machine that wakes from sleep asks once before it gives up.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  #timer: NodeJS.Timeout | undefined;
  #silent = 0;

  constructor(options: LivenessOptions) {
    this.#options = options;
    if (options.intervalMs > 0) this.#timer = setInterval(() => this.#tick(), options.intervalMs);
  }

  /** Bytes came from the peer. */
  heard(): void {
    this.#silent = 0;
    this.#timer?.refresh();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #tick(): void {
    this.#silent++;
    if (this.#silent < this.#options.countMax) {
      this.#options.ping();
    } else {
      this.stop();
      this.#options.onDead();
    }
  }
}
