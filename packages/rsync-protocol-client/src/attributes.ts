import * as fs from "node:fs";
import type { DirectoryHandle, FileStat } from "@dialhome/posix-fs";
import { type FileEntry, ITEM, isSymlink, MODE } from "@dialhome/rsync-protocol";
import type { LocalIds } from "./local-ids.ts";
import type { TransferOptions } from "./pull-options.ts";
import { describeFailure, type Tally } from "./tally.ts";

const SET_GID = 0o2000;
const SET_ID = 0o6000;

/**
 * Compares entries with what is on disk, and makes what is on disk like the entry: owners, times, and modes last. What cannot be
 * set is a problem and no more: the content is worth having without (a file system may know no owners).
 */
export class Attributes {
  readonly #options: TransferOptions;
  readonly #ids: LocalIds;
  readonly #ourUid: number = process.geteuid?.() ?? -1;
  readonly #ourGid: number = process.getegid?.() ?? -1;
  /** Which directories give files their own group (setgid, on Linux). */
  readonly #givesGroup = new WeakMap<DirectoryHandle, boolean>();
  readonly #tally: Tally;
  readonly #window: number;
  readonly #nanoseconds: boolean;
  /** Reading the umask sets it for a moment; so it is read once. */
  readonly #umask: number = process.umask();

  constructor(options: TransferOptions, protocol: number, ids: LocalIds, tally: Tally) {
    this.#options = options;
    this.#ids = ids;
    this.#tally = tally;
    this.#window = options.modifyWindow ?? 0;
    this.#nanoseconds = protocol >= 31;
  }

  /** `-u`: whether what is here is newer. */
  isNewer(entry: FileEntry, stat: FileStat): boolean {
    return entry.mtime - stat.mtimeSec < Math.max(0, this.#window);
  }

  /** Whether the times count as equal, by `--modify-window`. */
  sameTime(entry: FileEntry, stat: FileStat): boolean {
    if (this.#window > 0) return Math.abs(entry.mtime - stat.mtimeSec) <= this.#window;
    if (entry.mtime !== stat.mtimeSec) return false;
    return this.#window === 0 || !this.#nanoseconds || entry.mtimeNsec === stat.mtimeNsec;
  }

  /** `ITEM` bits for what differs between an entry and what is on disk, content aside. */
  differences(entry: FileEntry, stat: FileStat): number {
    const options = this.#options;
    let bits = 0;
    if (options.times && !this.sameTime(entry, stat)) bits |= ITEM.REPORT_TIME;
    if (!isSymlink(entry) && this.#mode(entry, stat) !== (stat.mode & MODE.PERMISSIONS)) {
      bits |= ITEM.REPORT_PERMS;
    }
    const { uid, gid } = this.#ids.of(entry);
    if (uid !== undefined && uid !== stat.uid) bits |= ITEM.REPORT_OWNER;
    if (gid !== undefined && gid !== stat.gid) bits |= ITEM.REPORT_GROUP;
    return bits;
  }

  /** Gives an open file that we have just written what it should have; then it may get its name. */
  applyToFile(
    directory: DirectoryHandle,
    fd: number,
    entry: FileEntry,
    before: FileStat | undefined,
  ): void {
    const { uid, gid } = this.#ids.of(entry);
    let owned = true;
    if ((uid !== undefined || gid !== undefined) && !this.#isMadeSo(directory, uid, gid)) {
      owned = this.#try("owner", entry, () => fs.fchownSync(fd, uid ?? KEEP, gid ?? KEEP));
    }
    if (this.#options.times) {
      this.#try("times", entry, () => directory.setTimesOfFd(fd, timesOf(entry)));
    }
    const mode = safeMode(this.#mode(entry, before), owned);
    this.#try("permissions", entry, () => fs.fchmodSync(fd, mode));
  }

  /** Whether a file that this process makes there belongs to these already. */
  #isMadeSo(directory: DirectoryHandle, uid: number | undefined, gid: number | undefined): boolean {
    if ((uid ?? this.#ourUid) !== this.#ourUid || (gid ?? this.#ourGid) !== this.#ourGid)
      return false;
    let givesGroup = this.#givesGroup.get(directory);
    if (givesGroup === undefined) {
      givesGroup = (directory.stat().mode & SET_GID) !== 0;
      this.#givesGroup.set(directory, givesGroup);
    }
    return !givesGroup;
  }

  /** Corrects what differs on an entry that is no directory. */
  applyByName(directory: DirectoryHandle, name: Buffer, entry: FileEntry, stat: FileStat): void {
    const { uid, gid } = this.#ids.of(entry);
    const mode = this.#mode(entry, stat);
    let changedOwner = false;
    let owned = true;
    if ((uid ?? stat.uid) !== stat.uid || (gid ?? stat.gid) !== stat.gid) {
      owned = this.#try("owner", entry, () =>
        directory.chown(name, uid ?? stat.uid, gid ?? stat.gid),
      );
      changedOwner = true;
    }
    const cleared = changedOwner && (mode & SET_ID) !== 0;
    if (!isSymlink(entry) && (cleared || mode !== (stat.mode & MODE.PERMISSIONS))) {
      this.#try("permissions", entry, () => directory.chmod(name, safeMode(mode, owned)));
    }
    if (this.#options.times && this.#timesDiffer(entry, stat)) {
      this.#try("times", entry, () => directory.setTimes(name, timesOf(entry)));
    }
  }

  /** Corrects what differs on a directory, when all in it is done. */
  applyToDirectory(directory: DirectoryHandle, entry: FileEntry, created: boolean): void {
    const stat = directory.stat();
    const { uid, gid } = this.#ids.of(entry);
    const mode = this.#mode(entry, created ? undefined : stat);
    let changedOwner = false;
    let owned = true;
    if ((uid ?? stat.uid) !== stat.uid || (gid ?? stat.gid) !== stat.gid) {
      owned = this.#try("owner", entry, () =>
        fs.fchownSync(directory.fd, uid ?? KEEP, gid ?? KEEP),
      );
      changedOwner = true;
    }
    if (changedOwner || mode !== (stat.mode & MODE.PERMISSIONS)) {
      this.#try("permissions", entry, () => directory.chmodSelf(safeMode(mode, owned)));
    }
    if (this.#options.times && this.#timesDiffer(entry, stat)) {
      this.#try("times", entry, () => directory.setTimesOfFd(directory.fd, timesOf(entry)));
    }
  }

  /** @returns whether it could be done */
  #try(what: string, entry: FileEntry, set: () => void): boolean {
    try {
      set();
      return true;
    } catch (error) {
      this.#tally.problem(describeFailure(`cannot set the ${what} of`, entry.name, error));
      return false;
    }
  }

  #timesDiffer(entry: FileEntry, stat: FileStat): boolean {
    return (
      entry.mtime !== stat.mtimeSec || (this.#nanoseconds && entry.mtimeNsec !== stat.mtimeNsec)
    );
  }

  /** The permissions that an entry gets, given what was there before. */
  #mode(entry: FileEntry, before: FileStat | undefined): number {
    if (this.#options.perms) return entry.mode & MODE.PERMISSIONS;
    if (before && (before.mode & MODE.TYPE_MASK) === (entry.mode & MODE.TYPE_MASK)) {
      return before.mode & MODE.PERMISSIONS;
    }
    return entry.mode & 0o777 & ~this.#umask;
  }
}

/** Where the owner could not be given, set-id bits would speak for the wrong one. */
function safeMode(mode: number, owned: boolean): number {
  return owned ? mode : mode & ~SET_ID;
}

/** Leaves an id as it is, in chown(2). */
const KEEP = -1;

function timesOf(entry: FileEntry): { mtimeSec: number; mtimeNsec: number } {
  return { mtimeSec: entry.mtime, mtimeNsec: entry.mtimeNsec };
}
