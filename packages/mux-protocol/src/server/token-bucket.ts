import { sourceOf } from "../ip-address.ts";

/** So many a second; and after a while of quiet so many at once. */
export interface Rate {
  readonly perSecond: number;
  readonly burst: number;
}

/** A rate that is kept to: nothing waits, what is too much is refused. */
export class TokenBucket {
  readonly #rate: Rate;
  readonly #elapsed: () => number;
  #tokens: number;
  #at: number;

  /** @param elapsed - a clock that does not jump, ms */
  constructor(rate: Rate, elapsed: () => number) {
    this.#rate = rate;
    this.#elapsed = elapsed;
    this.#tokens = rate.burst;
    this.#at = elapsed();
  }

  /** Whether one more may pass. */
  take(): boolean {
    const now = this.#elapsed();
    const { perSecond, burst } = this.#rate;
    this.#tokens = Math.min(burst, this.#tokens + ((now - this.#at) / 1000) * perSecond);
    this.#at = now;
    if (this.#tokens < 1) return false;
    this.#tokens--;
    return true;
  }
}

/** A rate for each source. */
export class SourceBuckets {
  readonly #rate: Rate;
  readonly #most: number;
  readonly #elapsed: () => number;
  readonly #buckets = new Map<string, TokenBucket>();

  /** @param most - sources that are remembered */
  constructor(rate: Rate, most: number, elapsed: () => number) {
    this.#rate = rate;
    this.#most = most;
    this.#elapsed = elapsed;
  }

  /** Sources that are remembered. */
  get size(): number {
    return this.#buckets.size;
  }

  take(address: string): boolean {
    const source = sourceOf(address);
    const bucket = this.#buckets.get(source) ?? new TokenBucket(this.#rate, this.#elapsed);
    // The one that was quiet longest comes first.
    this.#buckets.delete(source);
    this.#buckets.set(source, bucket);
    const [oldest] = this.#buckets.keys();
    if (this.#buckets.size > this.#most && oldest !== undefined) this.#buckets.delete(oldest);
    return bucket.take();
  }
}
