import * as fs from "node:fs";
import { type DirectoryHandle, type FileStat, OpenXattrs } from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  type FileEntry,
  ITEM,
  isDirectory,
  isRegularFile,
  isSymlink,
  MODE,
} from "@dialhome/rsync-protocol";
import { type Comparison, EXECUTABLE, isExecutable } from "./comparison.ts";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";
import type { ExtendedMetadata } from "./extended-metadata.ts";
import { lstatRecorded, type OnDisk, storeRecord, withRecord } from "./fake-super.ts";
import type { LocalIds } from "./local-ids.ts";
import { NewFileModes } from "./new-file-modes.ts";
import type { Privilege } from "./privilege.ts";
import type { OwnerHere, TransferOptions } from "./pull-options.ts";
import { describeFailure, type Tally } from "./tally.ts";
import { NamedXattrs, type XattrTarget } from "./xattr-target.ts";

const SET_GID = 0o2000;
const SET_ID = 0o6000;
const SPECIAL_BITS = 0o7000;
const OWNER_WRITES = 0o200;
const OWNERS = ITEM.REPORT_OWNER | ITEM.REPORT_GROUP;

/** An entry of a held directory. */
export interface NamedEntry {
  readonly directory: DirectoryHandle;
  readonly name: Buffer;
}

/** What {@link Attributes} works with. */
export interface AttributesParts {
  readonly options: TransferOptions;
  readonly comparison: Comparison;
  readonly privilege: Privilege;
  readonly ids: LocalIds;
  /** With `-A` or `-X`. */
  readonly extended: ExtendedMetadata | undefined;
  readonly tally: Tally;
}

/**
 * Compares entries with what is on disk, and makes what is on disk like the entry: owners, extended attributes, times, access
 * lists, and modes last. What cannot be set is a problem and no more: the content is worth having without (a file system may know
 * no owners).
 */
export class Attributes {
  readonly #comparison: Comparison;
  readonly #options: TransferOptions;
  readonly #ids: LocalIds;
  readonly #ourUid: number = process.geteuid?.() ?? -1;
  readonly #ourGid: number = process.getegid?.() ?? -1;
  /** Which directories give files their own group (setgid, on Linux). */
  readonly #givesGroup = new WeakMap<DirectoryHandle, boolean>();
  readonly #tally: Tally;
  readonly #newFileModes: NewFileModes;
  /** What a file should be is only written down (`--fake-super`). */
  readonly #fake: boolean;
  readonly #extended: ExtendedMetadata | undefined;

  constructor({ options, comparison, privilege, ids, extended, tally }: AttributesParts) {
    this.#options = options;
    this.#ids = ids;
    this.#tally = tally;
    this.#comparison = comparison;
    this.#newFileModes = new NewFileModes();
    this.#fake = privilege === "fake";
    this.#extended = extended;
  }

  /** As in rsync(1), what a file should be is written down (`--fake-super`) also where the file itself is all that already. */
  get writesDown(): boolean {
    return this.#fake;
  }

  /** What an entry is; with `--fake-super` what it should be. */
  lstat(directory: DirectoryHandle, name: Uint8Array): FileStat | undefined {
    return this.#fake ? lstatRecorded(directory, name) : directory.lstat(name);
  }

  /** The same of a held directory itself. */
  statOf(directory: DirectoryHandle): FileStat {
    const stat = directory.stat();
    return this.#fake ? withRecord(stat, new OpenXattrs(directory.fd)) : stat;
  }

  /**
   * `ITEM` bits for what differs between an entry and what is on disk, content aside.
   *
   * @param tree - where it lies, for what takes looking at it: lists and extended attributes
   * @param fileName - its name there, when it is not its own
   */
  differences(
    entry: FileEntry,
    stat: FileStat,
    tree: DestinationTree,
    fileName: string | undefined,
  ): number {
    let bits = this.#comparison.differences(entry, stat);
    const { uid, gid } = this.#ids.of(entry);
    if (uid !== undefined && uid !== stat.uid) bits |= ITEM.REPORT_OWNER;
    if (gid !== undefined && gid !== stat.gid) bits |= ITEM.REPORT_GROUP;
    if (this.#extended) {
      const target = targetIn(tree, entry, fileName);
      bits |= this.#extended.differences(entry, this.#mode(entry, stat, undefined), target);
    }
    return bits;
  }

  /**
   * What is told of an entry, no directory, that was here and was corrected. Like rsync(1), which looks at the file anew where its
   * owner was set and set-id bits may have gone with it; and where a list was set, and with it the permissions that they have in common.
   */
  toldAfterwards(entry: FileEntry, stat: FileStat, changes: number): number {
    if (this.#fake) return changes;
    let told = changes;
    if (changes & OWNERS && (stat.mode & SET_ID) !== 0) {
      told &= ~(OWNERS | ITEM.REPORT_PERMS);
      const differs = (clearedMode(stat.mode) ^ entry.mode) & MODE.PERMISSIONS;
      if (this.#options.perms && differs !== 0) told |= ITEM.REPORT_PERMS;
    }
    const listSets = (changes & ITEM.REPORT_ACL) !== 0;
    if (!listSets || ((entry.mode ^ stat.mode) & SPECIAL_BITS) !== 0) return told;
    return told & ~ITEM.REPORT_PERMS;
  }

  /** Whose an entry is here, by name and by the user's maps. */
  ownerOf(entry: FileEntry): OwnerHere {
    return this.#ids.told(entry);
  }

  /** `ITEM` bits of an entry that is not there. */
  ofNew(entry: FileEntry): number {
    return this.#extended?.ofNew(entry) ?? 0;
  }

  /** The values of extended attributes that have to be asked for, before an entry can be given them. */
  lackingXattrs(entry: FileEntry, at: NamedEntry | undefined): number[] {
    return this.#extended?.lacking(entry, at && new NamedXattrs(at.directory, at.name)) ?? [];
  }

  /**
   * Gives an open file that we have just written what it should have; then it may get its name.
   *
   * @param old - the file whose extended attributes were compared with the entry's
   */
  applyToFile(
    directory: DirectoryHandle,
    fd: number,
    entry: FileEntry,
    before: Pick<FileStat, "mode"> | undefined,
    old: NamedEntry | undefined,
  ): void {
    const mode = this.#mode(entry, before, directory);
    const target = this.#extended || this.#fake ? new OpenXattrs(fd) : undefined;
    let owned = true;
    if (target && this.#fake) {
      const chmod = (permissions: number): void => fs.fchmodSync(fd, permissions);
      this.#record(target, entry, mode, fs.fstatSync(fd), chmod);
    } else {
      const { uid, gid } = this.#ids.of(entry);
      if ((uid !== undefined || gid !== undefined) && !this.#isMadeSo(directory, uid, gid)) {
        owned = this.#try("owner", entry, () => fs.fchownSync(fd, uid ?? KEEP, gid ?? KEEP));
      }
    }
    if (target) {
      const basis = old && new NamedXattrs(old.directory, old.name);
      this.#extended?.applyXattrs(target, entry, basis);
    }
    if (this.#options.times) {
      this.#try("times", entry, () => directory.setTimesOfFd(fd, timesOf(entry)));
    }
    if (target) this.#extended?.applyLists(target, entry, mode);
    if (this.#fake) return;
    this.#try("permissions", entry, () => fs.fchmodSync(fd, safeMode(mode, owned)));
  }

  /** A file has its name now. */
  placed(entry: FileEntry): void {
    this.#extended?.placed(entry);
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

  /**
   * Corrects what differs on an entry that is no directory.
   * @param written - what of it was made by this pull
   */
  applyByName(
    { directory, name }: NamedEntry,
    entry: FileEntry,
    stat: FileStat,
    written: "nothing" | "its content" | "all" = "nothing",
  ): void {
    const mode = this.#mode(entry, written === "all" ? undefined : stat, directory);
    const target = this.#extended || this.#fake ? new NamedXattrs(directory, name) : undefined;
    const chmod = (permissions: number): void => directory.chmod(name, permissions);
    let cleared = false;
    let owned = true;
    if (target && this.#fake) {
      this.#record(target, entry, mode, directory.lstat(name), chmod);
    } else {
      const { uid, gid } = this.#ids.of(entry);
      if ((uid ?? stat.uid) !== stat.uid || (gid ?? stat.gid) !== stat.gid) {
        owned = this.#try("owner", entry, () =>
          directory.chown(name, uid ?? stat.uid, gid ?? stat.gid),
        );
        cleared = (mode & SET_ID) !== 0;
      }
    }
    if (target && this.#extended) {
      const isClosed = this.#isClosed(entry, stat);
      if (isClosed)
        this.#try("permissions", entry, () => chmod((stat.mode & 0o777) | OWNER_WRITES));
      this.#extended.applyXattrs(target, entry, undefined);
      cleared = this.#extended.applyLists(target, entry, mode) || isClosed || cleared;
    }
    if (!this.#fake && !isSymlink(entry) && (cleared || mode !== (stat.mode & MODE.PERMISSIONS))) {
      this.#try("permissions", entry, () => chmod(safeMode(mode, owned)));
    }
    if (this.#comparison.correctsTime(entry, written === "nothing" ? stat : undefined)) {
      this.#try("times", entry, () => directory.setTimes(name, timesOf(entry)));
    }
  }

  /** Whether its owner could not set extended attributes; root can, and so can any owner where modes are only written down. */
  #isClosed(entry: FileEntry, stat: FileStat): boolean {
    return (
      this.#options.xattrs === true &&
      this.#ourUid !== 0 &&
      !this.#fake &&
      isRegularFile(entry) &&
      (stat.mode & OWNER_WRITES) === 0
    );
  }

  /**
   * Corrects what differs on a directory, when all in it is done.
   *
   * @param before - what it was before that; undefined for one that was made
   */
  applyToDirectory(
    directory: DirectoryHandle,
    entry: FileEntry,
    before: FileStat | undefined,
  ): void {
    const created = before === undefined;
    const stat = this.statOf(directory);
    // Work in it changed its time, maybe by less than is compared.
    const isTouched =
      created || stat.mtimeSec !== before.mtimeSec || stat.mtimeNsec !== before.mtimeNsec;
    const target = this.#extended || this.#fake ? new OpenXattrs(directory.fd) : undefined;
    const mode = this.#directoryMode(directory, entry, stat, created);
    let changed = false;
    let owned = true;
    if (target && this.#fake) {
      const chmod = (permissions: number): void => directory.chmodSelf(permissions);
      this.#record(target, entry, mode, directory.stat(), chmod);
    } else {
      const { uid, gid } = this.#ids.of(entry);
      if ((uid ?? stat.uid) !== stat.uid || (gid ?? stat.gid) !== stat.gid) {
        owned = this.#try("owner", entry, () =>
          fs.fchownSync(directory.fd, uid ?? KEEP, gid ?? KEEP),
        );
        changed = true;
      }
    }
    if (target && this.#extended) {
      this.#extended.applyXattrs(target, entry, undefined);
      changed = this.#extended.applyLists(target, entry, mode) || changed;
      this.#extended.placed(entry);
    }
    if (!this.#fake && (changed || mode !== (stat.mode & MODE.PERMISSIONS))) {
      this.#try("permissions", entry, () => directory.chmodSelf(safeMode(mode, owned)));
    }
    if (this.#comparison.correctsTime(entry, isTouched ? undefined : stat)) {
      this.#try("times", entry, () => directory.setTimesOfFd(directory.fd, timesOf(entry)));
    }
  }

  /** `--fake-super`: writes down what the file itself is not given. */
  #record(
    target: XattrTarget,
    entry: FileEntry,
    permissions: number,
    onDisk: OnDisk | undefined,
    chmod: (mode: number) => void,
  ): void {
    if (!onDisk) return;
    const { uid, gid } = this.#ids.of(entry);
    const { rdevMajor, rdevMinor } = entry;
    const mode = (entry.mode & MODE.TYPE_MASK) | permissions;
    const wanted = { mode, rdevMajor, rdevMinor, uid: uid ?? onDisk.uid, gid: gid ?? onDisk.gid };
    this.#try("record", entry, () => storeRecord(target, onDisk, wanted, chmod));
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

  /**
   * The permissions that an entry gets, given what was there before.
   *
   * @param directory - where it is made, when nothing was there
   */
  #mode(
    entry: FileEntry,
    before: Pick<FileStat, "mode"> | undefined,
    directory: DirectoryHandle | undefined,
  ): number {
    if (this.#options.perms) return entry.mode & MODE.PERMISSIONS;
    if (before && (before.mode & MODE.TYPE_MASK) === (entry.mode & MODE.TYPE_MASK)) {
      const mode = before.mode & MODE.PERMISSIONS;
      if (!this.#options.executability || !isRegularFile(entry)) return mode;
      if (!isExecutable(entry)) return mode & ~EXECUTABLE;
      // Whoever may read may execute.
      return isExecutable(before) ? mode : mode | ((mode & 0o444) >> 2);
    }
    return entry.mode & this.#newFileModes.allowedIn(directory);
  }

  /** A directory that was made keeps the setgid bit that it got from the one around it. */
  #directoryMode(
    directory: DirectoryHandle,
    entry: FileEntry,
    stat: FileStat,
    created: boolean,
  ): number {
    if (!created || this.#options.perms) return this.#mode(entry, stat, undefined);
    // It has the default list of the one around it, too.
    return this.#mode(entry, undefined, directory) | (stat.mode & SET_GID);
  }
}

/** What chown(2) leaves of a mode: setgid on what its group may not execute has another meaning. */
function clearedMode(mode: number): number {
  return mode & ~((mode & 0o010) === 0 ? 0o4000 : SET_ID);
}

/** The extended attributes of an entry where it lies in a tree. */
function targetIn(
  tree: DestinationTree,
  entry: FileEntry,
  fileName: string | undefined,
): XattrTarget {
  if (entry.name === ".") return new OpenXattrs(tree.root.fd);
  // Its name may be that of a link to it.
  if (tree.keepsLinks && isDirectory(entry)) {
    return new OpenXattrs(tree.directory(entry.name).fd);
  }
  const name = nameBytes(fileName ?? baseNameOf(entry.name));
  return new NamedXattrs(tree.directory(directoryOf(entry.name)), name);
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
