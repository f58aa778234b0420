/** What a guard says of a nonce. */
export type ReplayVerdict = "new" | "replayed" | "full";

/** Remembers nonces for a span of time at least, and for two at most. */
export class ReplayGuard {
  readonly #spanMs: number;
  readonly #most: number;
  readonly #elapsed: () => number;
  #recent = new Set<string>();
  #before = new Set<string>();
  #turnedAt: number;

  /**
   * @param spanMs - how long a nonce is remembered at least
   * @param most - nonces of one span; no more are taken
   * @param elapsed - a clock that does not jump, ms
   */
  constructor(spanMs: number, most: number, elapsed: () => number) {
    this.#spanMs = spanMs;
    this.#most = most;
    this.#elapsed = elapsed;
    this.#turnedAt = elapsed();
  }

  /** Nonces that are remembered. */
  get size(): number {
    return this.#recent.size + this.#before.size;
  }

  note(nonce: Uint8Array): ReplayVerdict {
    this.#turn();
    const text = Buffer.from(nonce).toString("latin1");
    if (this.#recent.has(text) || this.#before.has(text)) return "replayed";
    if (this.#recent.size >= this.#most) return "full";
    this.#recent.add(text);
    return "new";
  }

  #turn(): void {
    const spans = Math.floor((this.#elapsed() - this.#turnedAt) / this.#spanMs);
    if (spans === 0) return;
    this.#before = spans === 1 ? this.#recent : new Set();
    this.#recent = new Set();
    this.#turnedAt += spans * this.#spanMs;
  }
}
