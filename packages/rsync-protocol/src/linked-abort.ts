import { setMaxListeners } from "node:events";

/**
 * Aborts by itself, and with each of the signals that it is linked to, for their reason. Disposed of, it is linked no longer: a signal
 * that lives as long as its program keeps nothing of it. (In Node 20 what `AbortSignal.any()` makes stays with such a signal for ever:
 * 650 bytes at 20.20. npm's `any-signal` 4.2 keeps nothing either once it is cleared, but has no abort of its own, is no `Disposable`, and warns of a
 * leak at eleven sessions under one signal: each user here would wrap it in more than these lines.)
 */
export class LinkedAbort implements Disposable {
  readonly #own = new AbortController();
  readonly #linked: readonly AbortSignal[];

  /** @param signals - those that are undefined do not count */
  constructor(...signals: readonly (AbortSignal | undefined)[]) {
    this.#linked = signals.filter((signal) => signal !== undefined);
    const aborted = this.#linked.find((signal) => signal.aborted);
    if (aborted !== undefined) {
      this.#own.abort(aborted.reason);
      return;
    }
    // One for each session that is under way: no sign of a leak.
    setMaxListeners(0, this.#own.signal, ...this.#linked);
    for (const signal of this.#linked) signal.addEventListener("abort", this.#follow);
  }

  get signal(): AbortSignal {
    return this.#own.signal;
  }

  /** Aborts; what is linked to goes on. */
  abort(reason?: unknown): void {
    this[Symbol.dispose]();
    this.#own.abort(reason);
  }

  /** Ends the links, and aborts nothing. */
  [Symbol.dispose](): void {
    for (const signal of this.#linked) signal.removeEventListener("abort", this.#follow);
  }

  readonly #follow = ({ target }: Event): void => {
    this.abort(target instanceof AbortSignal ? target.reason : undefined);
  };
}
