import {
  EXIT,
  type FileEntry,
  IO_ERROR,
  isDevice,
  isDirectory,
  isRegularFile,
  isSymlink,
} from "@dialhome/rsync-protocol";
import type { PullMessage, PullProgress } from "./pull-options.ts";
import type { KindCounts } from "./summary.ts";

/** Problems that are kept word by word; the rest is only counted. */
const KEPT_PROBLEMS = 100;
const PROGRESS_INTERVAL_MS = 100;

function noCounts(): KindCounts {
  return { files: 0, directories: 0, symlinks: 0, devices: 0, specials: 0 };
}

/** Counts one entry under its kind. */
export function countKind(counts: KindCounts, entry: { readonly mode: number }): void {
  if (isRegularFile(entry)) counts.files++;
  else if (isDirectory(entry)) counts.directories++;
  else if (isSymlink(entry)) counts.symlinks++;
  else if (isDevice(entry)) counts.devices++;
  else counts.specials++;
}

/** Everything that a pull counts, and what went wrong without ending it. */
export class Tally {
  readonly listed: KindCounts = noCounts();
  readonly created: KindCounts = noCounts();
  readonly deleted: KindCounts = noCounts();
  transferredFiles = 0;
  totalBytes = 0;
  transferredBytes = 0;
  literalBytes = 0;
  matchedBytes = 0;
  listBytes = 0;
  entries = 0;
  finished = 0;
  finishedBytes = 0;
  listComplete = false;
  /** `IO_ERROR` bits of the sender. */
  ioError = 0;
  readonly problems: string[] = [];
  #failed = false;
  readonly #onMessage: ((message: PullMessage) => void) | undefined;
  readonly #onProgress: ((progress: PullProgress) => void) | undefined;
  #lastProgress = 0;
  #file: { readonly size: number; readonly begin: number } | undefined;

  constructor(
    onMessage: ((message: PullMessage) => void) | undefined,
    onProgress: ((progress: PullProgress) => void) | undefined,
  ) {
    this.#onMessage = onMessage;
    this.#onProgress = onProgress;
  }

  countListed(entry: FileEntry): void {
    this.entries++;
    countKind(this.listed, entry);
    if (isRegularFile(entry) || isSymlink(entry)) this.totalBytes += entry.size;
  }

  countFinished(entry: FileEntry): void {
    this.finished++;
    if (isRegularFile(entry)) this.finishedBytes += entry.size;
  }

  /** The content of a file begins to come, and has come. */
  beginFile(size: number): void {
    this.#file = { size, begin: this.literalBytes + this.matchedBytes };
  }

  endFile(): void {
    this.#file = undefined;
  }

  /** Something could not be transferred: the pull goes on, and ends with 23. */
  problem(text: string, fromPeer = false): void {
    this.#failed = true;
    if (this.problems.length < KEPT_PROBLEMS) this.problems.push(text);
    this.#onMessage?.({ level: "error", text, fromPeer });
  }

  message(message: PullMessage): void {
    this.#onMessage?.(message);
  }

  /** Tells how far things are, if that was not told a moment ago. */
  progress(receivedBytes: number, force = false): void {
    if (!this.#onProgress) return;
    const now = performance.now();
    if (!force && now - this.#lastProgress < PROGRESS_INTERVAL_MS) return;
    this.#lastProgress = now;
    this.#onProgress({
      entries: this.entries,
      listComplete: this.listComplete,
      finished: this.finished,
      totalBytes: this.totalBytes,
      finishedBytes: this.finishedBytes,
      receivedBytes,
      file: this.#file && {
        size: this.#file.size,
        doneBytes: this.literalBytes + this.matchedBytes - this.#file.begin,
      },
    });
  }

  /** 23 goes before 24. */
  get exitCode(): number {
    if (this.#failed || this.ioError & IO_ERROR.GENERAL) return EXIT.PARTIAL;
    if (this.ioError & IO_ERROR.VANISHED) return EXIT.VANISHED;
    return this.ioError & IO_ERROR.DELETE_LIMIT ? EXIT.MAX_DELETE : EXIT.OK;
  }
}

/** A failed file operation in one line: what, on which path, why. */
export function describeFailure(what: string, path: string, error: unknown): string {
  const reason = error instanceof Error ? error.message : String(error);
  return `${what} "${path}": ${reason}`;
}
