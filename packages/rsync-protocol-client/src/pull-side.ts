import type { FileList, RsyncError } from "@dialhome/rsync-protocol";
import type { Job } from "./hard-link-groups.ts";
import type { SessionContext, Transfer } from "./pull-context.ts";
import type { PullSummary } from "./summary.ts";

/**
 * What a session needs of the place that it writes to: the local tree, or a store of the caller's. Exactly one of `finish` and
 * `abort` is called in the end.
 */
export interface PullSide {
  readonly context: SessionContext;
  readonly entries: EntryWork;
  readonly content: ContentTarget;
  /** Nothing more will happen to the entries of a list. */
  listFinished(list: FileList): void;
  /**
   * The last phase is over: what is done in the end.
   * @param first - the first list, the only one without incremental recursion
   */
  end(first: FileList): Promise<void>;
  /** The session has ended well. */
  finish(summary: PullSummary): void | Promise<void>;
  /** The session has failed. Never throws. */
  abort(error: RsyncError): void | Promise<void>;
}

/** Decides over the entries of lists, for the generator. */
export interface EntryWork {
  /** A list is begun. */
  begin(list: FileList): Promise<void> | undefined;
  /**
   * Decides over one entry. Only what takes long, or must make way first, gives a promise.
   * @param redo - its content has come once, and was wrong
   * @param again - it was met before
   */
  decide(job: Job, redo: boolean, again: boolean): Promise<void> | undefined;
}

/**
 * Takes the content of one file after another, for the receiver; a promise only where it takes long. Between `begin` and the end of
 * a file (`publish`, `discard` or `abandon`, then `close`) no other begins.
 */
export interface ContentTarget {
  /**
   * Begins a file, and opens what it is based on. Where it cannot be written {@link failure} says why; its content is taken all
   * the same.
   * @returns false when what should stay of it is not there
   */
  begin(transfer: Transfer): boolean | Promise<boolean>;
  /** Appends bytes from the wire, which are valid until the promise settles or at the latest the next read. */
  write(data: Buffer): Promise<void> | undefined;
  /** Appends bytes of the basis. @returns false when it has not got them */
  copy(offset: number, length: number): boolean | Promise<boolean>;
  /** Bytes of the basis, for decompression; zeros where it has none, which makes the file wrong, and leaves the session in step. */
  block(offset: number, length: number): Buffer | Promise<Buffer>;
  /** What writing failed with so far. */
  readonly failure: unknown;
  /** Nothing more is appended. */
  finish(): FinishedContent | Promise<FinishedContent>;
  /**
   * The content is right: it gets its attributes and its name.
   * @returns false when it will have them later: then the file is told as finished from there
   */
  publish(checksum: Uint8Array, digest: Uint8Array | undefined): Promise<boolean>;
  /** The content is wrong (`isComplete`), or could not be written. */
  discard(isComplete: boolean): Promise<void>;
  /** The session ends in the middle of the file, or it cannot get its name. Never throws. */
  abandon(hasContent: boolean): Promise<void>;
  /** After all of these. */
  close(): void | Promise<void>;
}

/** What was appended. */
export interface FinishedContent {
  /** By the session's type. */
  readonly checksum: Uint8Array;
  /** With `contentDigest`. */
  readonly digest: Uint8Array | undefined;
  /** Bytes. */
  readonly size: number;
  /** What writing failed with. */
  readonly failure: unknown;
}
