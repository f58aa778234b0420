import { SshEndpointError } from "./errors.ts";

/**
 * Bounds how long a peer may leave requests of one connection unanswered. What then ends is for the asker to say: an open has a number by
 * which a late answer is known, so it is given up alone; global requests have none, and the connection ends with them.
 */
export class AnswerTimes {
  readonly #timeoutMs: number;
  readonly #timers = new Set<NodeJS.Timeout>();

  constructor(timeoutMs: number) {
    this.#timeoutMs = timeoutMs;
  }

  /**
   * Something was asked.
   *
   * @param what - what the peer has to say, for the message: `whether it forwards port 22`
   * @returns to be called when the answer is there, or waited for no more
   */
  await(what: () => string, onLate: (error: SshEndpointError) => void): () => void {
    const limit = this.#timeoutMs;
    const timer = setTimeout(() => {
      this.#timers.delete(timer);
      const message = `the peer did not say within ${limit / 1000} s ${what()}`;
      onLate(new SshEndpointError("ERR_SSH_ENDPOINT_TIMEOUT", message, { limit }));
    }, limit);
    this.#timers.add(timer);
    return () => {
      clearTimeout(timer);
      this.#timers.delete(timer);
    };
  }

  /** The connection is over: no answer is waited for any more. */
  clear(): void {
    for (const timer of this.#timers) clearTimeout(timer);
    this.#timers.clear();
  }
}
