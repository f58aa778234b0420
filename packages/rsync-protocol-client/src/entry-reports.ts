import {
  type FileEntry,
  type FileList,
  ITEM,
  isDirectory,
  RsyncError,
} from "@dialhome/rsync-protocol";
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

/** Turns that are over are given back to memory when there are this many, and no fewer than others. */
const COMPACT_AT = 1_024;

/**
 * Tells whoever listens of entries: at once, or in the order in which they were decided upon (`entryOrder: "listed"`), as rsync(1)
 * prints them. There what was decided is told when the sender begins to answer, so that what was deleted meanwhile goes before;
 * and a directory whose content comes in a list of its own is told when that is begun, right before what is in it.
 */
export class EntryReports {
  readonly #options: PullOptions;
  readonly #isOrdered: boolean;
  readonly #ordersChangesOnly: boolean;
  readonly #byNdx = new Map<number, Turn>();
  #turns: Turn[] = [];
  #head = 0;
  #isHeld = true;
  readonly #incRecurse: boolean;
  /** Directories that wait for their lists, by name. */
  readonly #directories = new Map<string, Turn>();
  /** Directories whose lists were begun before they were finished. */
  readonly #begun = new Set<string>();

  /**
   * @param incRecurse - lists come a directory at a time
   * @param repeatsItems - rsync(1) tells of entries when the sender repeats them; else of each when it is finished
   */
  constructor(options: PullOptions, incRecurse = false, repeatsItems = true) {
    this.#options = options;
    this.#incRecurse = incRecurse;
    this.#ordersChangesOnly = repeatsItems && options.entryOrder === "changes listed";
    this.#isOrdered = this.#ordersChangesOnly || (repeatsItems && options.entryOrder === "listed");
  }

  /** Entries that are not told yet, since one before them is not finished. */
  get waiting(): number {
    return this.#turns.length - this.#head;
  }

  /** A list is begun. */
  listBegins({ directory }: FileList): void {
    if (!this.#isOrdered || directory === undefined) return;
    const turn = this.#directories.get(directory.name);
    if (turn === undefined) {
      this.#begun.add(directory.name);
      return;
    }
    this.#directories.delete(directory.name);
    if (turn.pulled && this.#isAsItWas(turn.pulled)) {
      this.#emit(turn.pulled);
      return;
    }
    this.#turns.push(turn);
    this.#release();
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
    try {
      onTransfer(started);
    } catch (error) {
      throw stopped(started.entry.name, error);
    }
  }

  /** An entry is finished. */
  tell(pulled: PulledEntry, ndx: number): void {
    if (!this.#isOrdered || isPassedOverAtOnce(pulled)) {
      this.#emit(pulled);
      return;
    }
    const turn = this.#byNdx.get(ndx);
    if (turn) {
      // The sender has answered; in a dry run nothing else begins.
      this.#isHeld = false;
      turn.pulled = pulled;
      this.#finish(turn);
    } else if (this.#waitsForList(pulled)) {
      this.#directories.set(pulled.entry.name, { ndx, pulled, isFinished: true });
    } else if (this.#isAsItWas(pulled)) {
      this.#emit(pulled);
      return;
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
    for (const turn of this.#directories.values()) this.#turns.push(turn);
    this.#directories.clear();
    this.#release();
  }

  /**
   * Whether rsync tells of it without hearing it from the sender: a file that stays, at most with other attributes; what is the same in
   * another directory.
   */
  #isAsItWas({ entry, outcome, changes, hardLinkTo }: PulledEntry): boolean {
    if (!this.#ordersChangesOnly || outcome === "new" || outcome === "updated") return false;
    if (isDirectory(entry) || outcome === "copied") return changes === ITEM.LOCAL_CHANGE;
    if (outcome === "hard-linked") return false;
    return hardLinkTo === undefined || (changes & ~ITEM.LOCAL_CHANGE) === 0;
  }

  /** The content of the root comes with the first list. */
  #waitsForList({ entry }: PulledEntry): boolean {
    if (!this.#incRecurse || !isDirectory(entry) || entry.name === ".") return false;
    return !this.#begun.delete(entry.name);
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
    // In a transfer of many files somebody always waits.
    if (this.#head < COMPACT_AT || this.#head * 2 < this.#turns.length) return;
    this.#turns.splice(0, this.#head);
    this.#head = 0;
  }

  #emit(pulled: PulledEntry): void {
    const { onEntry } = this.#options;
    if (!onEntry) return;
    try {
      onEntry(pulled);
    } catch (error) {
      throw stopped(pulled.entry.name, error);
    }
  }

  /** A device that this process may not make. */
  unmade(entry: FileEntry): void {
    try {
      this.#options.onUnmade?.(entry);
    } catch (error) {
      throw stopped(entry.name, error);
    }
  }
}

/** A caller that throws ends the pull: it is not a problem of the entry. */
function stopped(name: string, cause: unknown): RsyncError {
  return new RsyncError("ERR_RSYNC_ABORTED", `stopped by the caller at "${name}"`, { cause });
}

/** Passed over for what was known of it at first sight: as in rsync, this waits for nothing that is told before it. */
function isPassedOverAtOnce({ skipped }: PulledEntry): boolean {
  return skipped !== undefined && skipped !== "same elsewhere";
}
