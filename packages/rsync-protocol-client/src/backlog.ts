import type { Session } from "./pull-context.ts";

/** So many files that were asked for and have not come, or entries that are to be told behind one of them, hold the generator up. */
export const MOST_WAITING = 32_768;

/**
 * Below protocol 30 a sender says nothing of files that will not come. After so long without a byte of it more is asked for, in ms:
 * its next reply tells of those before.
 */
const SILENCE_MS = 1_000;

type BacklogSession = Pick<Session, "wire" | "terms" | "progress" | "transfers" | "reports">;

/**
 * What was decided upon and waits for the sender. Requests are short: what lies between the two ends would hold hundreds of thousands
 * of them, each of which takes half a kilobyte here.
 */
export class Backlog {
  readonly #session: BacklogSession;
  #most: number = MOST_WAITING;

  constructor(session: BacklogSession) {
    this.#session = session;
  }

  /** Whether nothing more should be decided upon before {@link shrunk}. */
  get isFull(): boolean {
    return this.#waiting >= this.#most;
  }

  /** Resolves when half of it is done; or, where that may never be, when the sender is silent: then there is twice as much room. */
  async shrunk(): Promise<void> {
    const { wire, progress, terms } = this.#session;
    wire.flush();
    let heard = wire.bytesRead;
    let most = this.#most;
    const listen = (): void => {
      if (wire.bytesRead === heard) most *= 2;
      heard = wire.bytesRead;
      progress.wake();
    };
    const timer = terms.traits.tellsUnsent ? undefined : setInterval(listen, SILENCE_MS);
    try {
      while (most === this.#most && this.#waiting > most / 2) {
        // A failure wakes those who wait already; nobody would wake one who begins to wait after it.
        wire.assertAlive();
        await progress.changed();
      }
    } finally {
      clearInterval(timer);
    }
    this.#most = most;
  }

  get #waiting(): number {
    const { transfers, reports } = this.#session;
    return Math.max(transfers.size, reports.waiting);
  }
}
