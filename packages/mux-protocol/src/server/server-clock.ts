/** Where a server's time comes from. */
export interface TimeSources {
  /** The machine's clock, ms since 1970. */
  readonly now: () => number;
  /** A clock that does not jump, ms. */
  readonly elapsed: () => number;
}

/** The machine's clock as it was at the start, counted on by one that does not jump. */
export class ServerClock {
  /** ms since 1970. */
  readonly start: number;
  readonly elapsed: () => number;
  readonly #elapsedAtStart: number;

  constructor({ now, elapsed }: TimeSources) {
    this.start = now();
    this.elapsed = elapsed;
    this.#elapsedAtStart = elapsed();
  }

  /** ms since 1970. */
  now(): number {
    return this.start + Math.floor(this.elapsed() - this.#elapsedAtStart);
  }
}
