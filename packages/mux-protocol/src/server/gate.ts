import { SERVER } from "../constants.ts";
import { type Rate, SourceBuckets, TokenBucket } from "./token-bucket.ts";

/** Rates that can be set. */
export interface GateRates {
  readonly perSource: Rate;
  readonly inAll: Rate;
}

/** How much work is done for whom, whatever the version. */
export class Gate {
  readonly #known: TokenBucket;
  readonly #strangers: TokenBucket;
  readonly #sources: SourceBuckets;
  readonly #all: TokenBucket;

  constructor({ perSource, inAll }: GateRates, elapsed: () => number) {
    this.#known = new TokenBucket(SERVER.knownVerifications, elapsed);
    this.#strangers = new TokenBucket(SERVER.strangerVerifications, elapsed);
    this.#sources = new SourceBuckets(perSource, SERVER.sources, elapsed);
    this.#all = new TokenBucket(inAll, elapsed);
  }

  /** Whether a packet may be tried with its key. A flood of made-up devices leaves room for those that were here before. */
  mayVerify(isKnown: boolean): boolean {
    return isKnown ? this.#known.take() : this.#strangers.take();
  }

  /** Whether a valid request may be answered. Others count for nothing: who fakes an address uses up nobody's rate. */
  mayAnswer(address: string): boolean {
    return this.#sources.take(address) && this.#all.take();
  }
}
