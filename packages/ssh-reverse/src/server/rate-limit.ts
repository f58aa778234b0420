import { Transform } from "node:stream";

/** What one may send in a burst: so many ms of the rate. */
const BURST_MS = 250;

/**
 * Bytes per second, shared by all who take from it (a token bucket). A waiter is served in the order of its coming.
 */
export class RateLimit {
  readonly #bytesPerSecond: number;
  readonly #now: () => number;
  /** When all that was taken so far will have been allowed, ms. */
  #paidUntil = 0;

  constructor(bytesPerSecond: number, now: () => number = () => performance.now()) {
    this.#bytesPerSecond = bytesPerSecond;
    this.#now = now;
  }

  /** Takes bytes. @returns how long to wait before they may be used, ms */
  take(bytes: number): number {
    const now = this.#now();
    this.#paidUntil =
      Math.max(this.#paidUntil, now - BURST_MS) + (bytes / this.#bytesPerSecond) * 1000;
    return Math.max(0, this.#paidUntil - now);
  }

  /** A stream that lets through what the rate allows. */
  stream(): Transform {
    let timer: NodeJS.Timeout | undefined;
    return new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        const waitMs = this.take(chunk.length);
        if (waitMs < 1) done(null, chunk);
        else timer = setTimeout(() => done(null, chunk), waitMs);
      },
      destroy: (error, done) => {
        clearTimeout(timer);
        done(error);
      },
    });
  }
}
