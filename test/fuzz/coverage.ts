import { Session } from "node:inspector";

/** Tells which blocks of the project's own code were run, by V8's counters (no instrumentation, no dependency). */
export class BlockCoverage implements Disposable {
  readonly #session = new Session();
  readonly #seen = new Set<string>();

  constructor() {
    this.#session.connect();
    this.#session.post("Profiler.enable");
    this.#session.post("Profiler.startPreciseCoverage", { callCount: true, detailed: true });
  }

  /** Blocks seen so far. */
  get size(): number {
    return this.#seen.size;
  }

  /** The blocks that ran since the last call and were not {@link learn}ed. */
  takeNew(): Set<string> {
    const fresh = new Set<string>();
    // A session in the same process answers before post() returns.
    this.#session.post("Profiler.takePreciseCoverage", (error, { result }) => {
      if (error) throw error;
      for (const { url, functions } of result) {
        if (!url.includes("/packages/")) continue;
        for (const { ranges } of functions) {
          for (const { startOffset, endOffset, count } of ranges) {
            const block = `${url}:${startOffset}-${endOffset}`;
            if (count > 0 && !this.#seen.has(block)) fresh.add(block);
          }
        }
      }
    });
    return fresh;
  }

  /** From now on these are nothing new. */
  learn(blocks: Iterable<string>): void {
    for (const block of blocks) this.#seen.add(block);
  }

  [Symbol.dispose](): void {
    this.#session.post("Profiler.stopPreciseCoverage");
    this.#session.disconnect();
  }
}
