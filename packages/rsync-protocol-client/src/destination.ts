import type { FileEntry, IdNames, RsyncError } from "@dialhome/rsync-protocol";
import type { BasisReader } from "./basis-source.ts";
import type { PullSummary } from "./summary.ts";

/** A value, or a promise of it: what is slow is waited for, with nothing read from the sender meanwhile. */
export type Awaitable<T> = T | Promise<T>;

/**
 * A store that a pull writes to in place of a directory: objects, rows, an archive, memory.
 *
 * Names are those of {@link FileEntry}: latin1 views of bytes, relative, `/` between components, `.` for the root; none is absolute,
 * empty or has `..` in it, and whatever lies in a directory comes after the directory itself was stored. Two calls may be under way at
 * once: one that looks or stores what has no content, and one that concerns the writer of a file; more than that only with
 * {@link concurrency}. When the pull has settled none is. A call that throws (or rejects) is a problem of its entry (exit code 23);
 * an `RsyncError`, or a `code` of ENOSPC, EDQUOT, EIO, EROFS, EMFILE or ENFILE ends the pull.
 */
export interface Destination {
  /** How many `find`s are ahead of the decisions, and how many `commit`s are under way, at most: 1 to 64. @defaultValue 1 */
  readonly concurrency?: number;
  /** Before anything else is called. In a dry run too, where only `find`, `openBasis`, `list`, `finish` and `abort` follow. */
  begin?(pull: DestinationPull): Awaitable<void>;
  /**
   * What is stored under a name. From its size and time follows whether a file's content is asked for; directories, `.` too, are told
   * like everything else. A name without anything is asked for as well, but not below a directory that was just made.
   */
  find(name: string): Awaitable<StoredEntry | undefined>;
  /**
   * Opens a stored file for reading at random: what is the same in the sender's is then not sent. Without this method, or where it gives
   * nothing, the whole file is.
   */
  openBasis?(name: string, stored: StoredEntry): Awaitable<BasisReader | undefined>;
  /** Begins a new version of a regular file. What was there stays until the writer is committed. */
  create(entry: FileEntry, previous: StoredEntry | undefined): Awaitable<ContentWriter>;
  /** Stores what has no content, in place of what was there: a directory, symbolic link, device, named pipe or socket. */
  put(entry: FileEntry, previous: StoredEntry | undefined): Awaitable<void>;
  /** With `hardLinks`: stores one more name for the content of `leader`, which is stored, in place of what was there. */
  link(entry: FileEntry, leader: string, previous: StoredEntry | undefined): Awaitable<void>;
  /** The content is the same, and something else is not: time, permissions, owner or group. */
  update(entry: FileEntry, stored: StoredEntry): Awaitable<void>;
  /** What is in a stored directory. With {@link remove} it makes `delete` possible. */
  list?(directory: string): Awaitable<Iterable<ListedName> | AsyncIterable<ListedName>>;
  /** Removes what is stored under a name; a directory is empty by then. */
  remove?(name: string, stored: Pick<StoredEntry, "mode">): Awaitable<void>;
  /** The last call, when the session has ended well. `exitCode` says whether everything came. */
  finish?(summary: PullSummary): Awaitable<void>;
  /** The last call, when the session has failed. What was committed was right, and is not all. */
  abort?(error: RsyncError): Awaitable<void>;
}

/** What a destination hears in the beginning. */
export interface DestinationPull {
  readonly dryRun: boolean;
  /** Aborted when the session fails or the caller stops it: what is under way should end soon, since the pull waits for it. */
  readonly signal: AbortSignal;
  /** Names of the sender's users and groups, without `numericIds`: complete as far as the entry goes that is stored at the moment. */
  readonly names: IdNames;
}

/**
 * What a store has under a name. A {@link FileEntry} is one: a store may keep what it was given. Of what is undefined nothing is
 * compared.
 */
export interface StoredEntry {
  /** POSIX file type and permissions. */
  readonly mode: number;
  /** Of the content, in bytes; of anything else it is not looked at. */
  readonly size: number;
  /** Seconds since 1970. */
  readonly mtime: number;
  readonly mtimeNsec?: number | undefined;
  readonly uid?: number | undefined;
  readonly gid?: number | undefined;
  /** Device numbers. */
  readonly rdevMajor?: number | undefined;
  readonly rdevMinor?: number | undefined;
  readonly linkTarget?: string | undefined;
  /** The same for all names of one file, after {@link Destination.link}. Without it links are made anew each time. */
  readonly inode?: string | number | bigint | undefined;
}

/** A name in a directory. */
export interface ListedName {
  /** Its last component. */
  readonly name: string;
  readonly mode: number;
}

/**
 * Takes the content of one file, from its beginning to its end. Either `commit` or `abort` is the last call; if `commit` fails, the
 * store itself forgets what was written.
 */
export interface ContentWriter {
  /** The next bytes, up to 256 KiB; the array is the store's, and may be kept. */
  write(data: Uint8Array): Awaitable<void>;
  /** The content is complete, and right by the sender's checksum: only now it gets its name. */
  commit(content: CommittedContent): Awaitable<void>;
  /** It is wrong, could not be written, or the session has ended. A file that came wrong is created once more. */
  abort(reason: Error): Awaitable<void>;
}

/** The content of a file that was verified. */
export interface CommittedContent {
  /** In bytes; the entry may tell another one, where the file was changed while it was read. */
  readonly size: number;
  /** The sender's checksum, of the type that the session uses. */
  readonly checksum: Uint8Array;
  /** With `contentDigest`. */
  readonly digest: Uint8Array | undefined;
}

/** Whether a destination is a store of the caller's. */
export function isStore(destination: string | Buffer | Destination): destination is Destination {
  return typeof destination !== "string" && !Buffer.isBuffer(destination);
}
