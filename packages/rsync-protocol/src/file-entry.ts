import type { EntryAcl } from "./acl.ts";
import { MODE } from "./constants.ts";
import type { XattrSet } from "./xattr.ts";

/**
 * One entry of a file list. Paths, names and link targets are latin1 views of raw bytes: one character is one byte, nothing
 * was decoded (`Buffer.from(name, "latin1")` gives the bytes back).
 */
export interface FileEntry {
  /** Path relative to the root of the transfer, `/` between components, `.` for the root itself. */
  readonly name: string;
  /** POSIX file type and permissions, the same numbers on every system. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** Seconds since 1970, may be negative. */
  readonly mtime: number;
  /** 0 to 999,999,999. */
  readonly mtimeNsec: number;
  /** Seconds since 1970 of the last access, with `-U`, but for directories. */
  readonly atime?: number;
  readonly uid: number;
  readonly gid: number;
  /** Device numbers; 0 where there are none. */
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  readonly linkTarget: string | undefined;
  /** Whole-file checksum, with `-c`. */
  readonly checksum: Buffer | undefined;
  /** The wire index of the first entry of this hard link group (its own, when it is the first); −1 outside of a group. */
  readonly hardLinkGroup: number;
  /** With `-A`, but for symlinks. */
  readonly acl: EntryAcl | undefined;
  /** With `-X`. */
  readonly xattrs: XattrSet | undefined;
  /** A directory named by the user. */
  readonly isTopDirectory: boolean;
  /** A directory whose content belongs to the transfer: only in such a one may be deleted. */
  readonly hasContent: boolean;
  /** What a sender has it from; never on the wire. */
  readonly source?: object;
}

export function isDirectory(entry: { readonly mode: number }): boolean {
  return (entry.mode & MODE.TYPE_MASK) === MODE.DIRECTORY;
}

export function isRegularFile(entry: { readonly mode: number }): boolean {
  return (entry.mode & MODE.TYPE_MASK) === MODE.FILE;
}

export function isSymlink(entry: { readonly mode: number }): boolean {
  return (entry.mode & MODE.TYPE_MASK) === MODE.SYMLINK;
}

/** Block or character device. */
export function isDevice(entry: { readonly mode: number }): boolean {
  const type = entry.mode & MODE.TYPE_MASK;
  return type === MODE.BLOCK || type === MODE.CHARACTER;
}

/** Named pipe or socket. */
export function isSpecial(entry: { readonly mode: number }): boolean {
  const type = entry.mode & MODE.TYPE_MASK;
  return type === MODE.FIFO || type === MODE.SOCKET;
}

/** Something that was asked for and is not there (`--delete-missing-args`). */
export function isMissing(entry: { readonly mode: number }): boolean {
  return entry.mode === 0;
}

/** What an entry takes beside its texts while its list is alive: its fields, its places in lists and tables, its key for sorting. Bytes. */
const ENTRY_BYTES = 400;

/** About how much memory an entry takes while its list is alive, in bytes; what entries share (attributes, ACLs) aside. */
export function entryBytes(entry: FileEntry): number {
  // A name is there once more in the key for sorting.
  return ENTRY_BYTES + 2 * entry.name.length + (entry.linkTarget?.length ?? 0);
}

/** The directory part of a path; `.` where there is none. */
export function directoryOf(name: string): string {
  const slash = name.lastIndexOf("/");
  return slash < 0 ? "." : name.slice(0, slash);
}

/** The last component of a path. */
export function baseNameOf(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}
