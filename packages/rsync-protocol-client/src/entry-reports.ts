import { RsyncError } from "@dialhome/rsync-protocol";
import type { PulledEntry, PullOptions, StartedTransfer } from "./pull-options.ts";

/** An entry that waits for its turn, or for its content. */
interface Turn {
  readonly ndx: number;
  /** What is told; undefined when nothing is. */
  pulled: PulledEntry | undefined;
  isFinished: boolean;
}

/** Turns that wait at most, but for those behind a file that is still coming. */
const HELD_TURNS = 10_000;

/**
 * Tells whoever listens of entries: at once, or in the order in which they were decided upon (`entryOrder: "listed"`), as rsync(1)
 * prints them. There what was decided is told when the sender begins to answer, so that what was deleted meanwhile goes before.
 */
export class EntryReports {
  readonly #options: PullOptions;
  readonly #isOrdered: boolean;
  readonly #byNdx = new Map<number, Turn>();
  #turns: Turn[] = [];
  #head = 0;
  #isHeld = true;

  constructor(options: PullOptions) {
    this.#options = options;
    this.#isOrdered = options.entryOrder === "listed";
  }

  /** A file's content was asked for: what comes after it is told after it. */
  asked(ndx: number): void {
    if (!this.#isOrdered) return;
    const turn: Turn = { ndx, pulled: undefined, isFinished: false };
    this.#byNdx.set(ndx, turn);
    this.#turns.push(turn);
  }

  /** The content of a file begins to come. */
  begins(describe: () => StartedTransfer): void {
    if (this.#isOrdered && this.#isHeld) {
      this.#isHeld = false;
      this.#release();
    }
    const { onTransfer } = this.#options;
    if (!onTransfer) return;
    const started = describe();
    this.#guard(started.entry.name, () => onTransfer(started));
  }

  /** An entry is finished. */
  tell(pulled: PulledEntry, ndx: number): void {
    if (!this.#isOrdered) {
      this.#emit(pulled);
      return;
    }
    const turn = this.#byNdx.get(ndx);
    if (turn) {
      turn.pulled = pulled;
      this.#finish(turn);
    } else {
      this.#turns.push({ ndx, pulled, isFinished: true });
      if (this.#turns.length - this.#head > HELD_TURNS) this.#isHeld = false;
    }
    this.#release();
  }

  /** An entry whose content was asked for will not come, or is asked for once more. */
  drop(ndx: number): void {
    const turn = this.#byNdx.get(ndx);
    if (!turn) return;
    this.#finish(turn);
    this.#release();
  }

  /** Nothing more will come. */
  end(): void {
    this.#isHeld = false;
    this.#release();
  }

  #finish(turn: Turn): void {
    turn.isFinished = true;
    this.#byNdx.delete(turn.ndx);
  }

  #release(): void {
    if (this.#isHeld) return;
    for (let turn = this.#turns[this.#head]; turn?.isFinished; turn = this.#turns[this.#head]) {
      this.#head++;
      if (turn.pulled) this.#emit(turn.pulled);
    }
    if (this.#head < this.#turns.length) return;
    this.#turns = [];
    this.#head = 0;
  }

  #emit(pulled: PulledEntry): void {
    const { onEntry } = this.#options;
    if (onEntry) this.#guard(pulled.entry.name, () => onEntry(pulled));
  }

  /** A caller that throws ends the pull: it is not a problem of the entry. */
  #guard(name: string, call: () => void): void {
    try {
      call();
    } catch (error) {
      throw new RsyncError("ERR_RSYNC_ABORTED", `stopped by the caller at "${name}"`, {
        cause: error,
      });
    }
  }
}
