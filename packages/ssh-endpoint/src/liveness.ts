/** How a dead peer is found. */
export interface LivenessOptions {
  /** Silence after which the peer is asked for a sign of life, ms; 0 switches it off. */
  readonly intervalMs: number;
  /** Silent intervals after which the peer counts as dead; at least 2. */
  readonly countMax: number;
  readonly ping: () => void;
  /** The peer is gone: for so long it gave no sign of life though it was asked, ms. */
  readonly onDead: (silentMs: number) => void;
}

/** When a peer was last heard of, and how far away it is. */
export interface SignsOfLife {
  /** ms since 1970 */
  readonly lastSeen: number;
  /** From a keepalive to its answer, ms; undefined as long as none was answered. */
  readonly roundTripMs: number | undefined;
}

/**
 * Watches for silence: each interval without a byte asks the peer for an answer, and `countMax` of them in a row mean
 * that it is gone: found `intervalMs × countMax` after its last byte. Counts intervals that were lived through, not the clock, so
 * that a machine that wakes from sleep asks once before it gives up.
 */
export class Liveness {
  readonly #options: LivenessOptions;
  #timer: NodeJS.Timeout | undefined;
  #probe: NodeJS.Timeout | undefined;
  #silent = 0;
  #lastHeard = Date.now();

  constructor(options: LivenessOptions) {
    this.#options = options;
    if (options.intervalMs > 0) this.#timer = setInterval(() => this.#tick(), options.intervalMs);
  }

  /** Bytes came from the peer. */
  heard(): void {
    this.#silent = 0;
    this.#lastHeard = Date.now();
    this.#timer?.refresh();
    clearTimeout(this.#probe);
    this.#probe = undefined;
  }

  /** Asks at once; no byte within the time means that the peer is gone. For when there is a reason to doubt, such as another network. */
  probe(timeoutMs: number): void {
    if (this.#probe !== undefined) return;
    this.#probe = setTimeout(() => this.#die(timeoutMs), timeoutMs);
    this.#options.ping();
  }

  /** When bytes last came, ms since 1970. */
  get lastHeard(): number {
    return this.#lastHeard;
  }

  stop(): void {
    clearInterval(this.#timer);
    clearTimeout(this.#probe);
    this.#timer = undefined;
    this.#probe = undefined;
  }

  #tick(): void {
    this.#silent++;
    const { countMax, intervalMs, ping } = this.#options;
    if (this.#silent < countMax) ping();
    else this.#die(intervalMs * countMax);
  }

  #die(silentMs: number): void {
    this.stop();
    this.#options.onDead(silentMs);
  }
}
