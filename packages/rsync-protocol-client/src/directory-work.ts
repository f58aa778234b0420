import * as fs from "node:fs";
import {
  type DirectoryHandle,
  errorCode,
  type FileStat,
  isDirectory as isDirectoryStat,
  isSymlink as isSymlinkStat,
} from "@dialhome/posix-fs";
import {
  baseNameOf,
  directoryOf,
  type FileEntry,
  type FileList,
  ITEM,
  isDirectory,
} from "@dialhome/rsync-protocol";
import type { Attributes } from "./attributes.ts";
import type { Backups } from "./backups.ts";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";
import { contentDirectory } from "./list-progress.ts";
import type { TransferOptions } from "./pull-options.ts";
import { describeFailure, type Tally } from "./tally.ts";

/** Permissions that a directory needs while we work in it. */
const WORKABLE = 0o700;
const SET_GID = 0o2000;
/** What a directory that is not there is told by. */
const NOT_THERE: ReadonlySet<string | undefined> = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

/**
 * Directories: made before their content, with their owner able to write; given their modes, owners and times when all in them
 * is done, since every change of the content changes the time.
 */
export class DirectoryWork {
  readonly #tree: DestinationTree;
  readonly #attributes: Attributes;
  readonly #tally: Tally;
  readonly #options: TransferOptions;
  readonly #rootIsNew: boolean;
  readonly #backups: Backups | undefined;
  /** Entered and not finished yet, in order; with what it was before, if we did not make it. */
  readonly #open = new Map<
    string,
    { readonly entry: FileEntry; readonly before: FileStat | undefined }
  >();
  /** Their extended attributes are awaited; with whether all else is done. */
  readonly #waiting = new Map<string, boolean>();
  /** Listed, and not there: what lies below is left out without a further word. */
  readonly #missing = new Set<string>();
  /** Those where something else stands, as long as nothing below them was left out. */
  readonly #untold = new Set<string>();

  constructor(
    tree: DestinationTree,
    attributes: Attributes,
    tally: Tally,
    options: TransferOptions,
    rootIsNew: boolean,
    backups?: Backups,
  ) {
    this.#backups = backups;
    this.#tree = tree;
    this.#attributes = attributes;
    this.#tally = tally;
    this.#options = options;
    this.#rootIsNew = rootIsNew;
  }

  /** Makes sure that a directory is there. @returns `ITEM` bits: how it differed. */
  enter(entry: FileEntry): number {
    if (entry.name === ".") {
      const { root } = this.#tree;
      const stat = this.#attributes.statOf(root);
      this.#note(entry, this.#rootIsNew ? undefined : stat);
      if (this.#inheritsOtherwise(entry, stat)) root.chmodSelf(stat.mode ^ SET_GID);
      if (this.#rootIsNew) return this.#newDirectory(entry);
      return this.#attributes.differences(entry, stat, this.#tree, undefined);
    }
    const name = nameBytes(baseNameOf(entry.name));
    const parent = this.#parentOf(entry);
    const stat = parent && this.#lookAt(parent, name, entry.name);
    if (this.#options.impliedDirs === false && entry.isTopDirectory && !entry.hasContent) {
      // On the way to something, and without attributes of its own (--no-implied-dirs).
      if (!stat && !this.#options.dryRun) parent?.mkdir(name, 0o777);
      return 0;
    }
    if (parent && stat && isDirectoryStat(stat)) {
      const changes = this.#attributes.differences(entry, stat, this.#tree, undefined);
      if (!this.#options.dryRun && process.geteuid?.() !== 0) {
        const real = parent.lstat(name);
        const { mode } = (this.#options.fakeSuper ? real : undefined) ?? stat;
        const workable = (mode & 0o7777) | WORKABLE;
        if ((mode & WORKABLE) === WORKABLE) {
          // Nothing is in the way of working in it.
        } else if (real && isSymlinkStat(real)) {
          this.#tree.directory(entry.name).chmodSelf(workable);
        } else {
          parent.chmod(name, workable);
        }
      }
      if (this.#inheritsOtherwise(entry, stat)) {
        this.#tree.directory(entry.name).chmodSelf(stat.mode ^ SET_GID);
      }
      this.#note(entry, stat);
      return changes;
    }
    if (this.#options.existing && !stat) {
      this.leaveOut(entry.name);
      return 0;
    }
    if (this.#options.ignoreExisting && stat) {
      this.leaveOut(entry.name);
      this.#untold.add(entry.name);
      return 0;
    }
    if (!this.#options.dryRun && parent) {
      if (stat && this.#backups?.keep(entry.name, "rename") !== "moved") parent.unlink(name);
      parent.mkdir(name, (entry.mode & 0o777) | WORKABLE);
      if (this.#choosesGroups) {
        const made = parent.lstat(name);
        if (made && this.#inheritsOtherwise(entry, made)) parent.chmod(name, made.mode ^ SET_GID);
      }
    }
    this.#note(entry, undefined);
    return this.#newDirectory(entry);
  }

  /** Files get the group of the directory around them, or ours: its setgid bit decides, and nothing corrects it later. */
  get #choosesGroups(): boolean {
    const { perms, group, fakeSuper } = this.#options;
    return perms === true && !group && !fakeSuper;
  }

  /** Whether a directory must get, or lose, its setgid bit before something is made in it. */
  #inheritsOtherwise(entry: FileEntry, { mode }: FileStat): boolean {
    if (!this.#choosesGroups || this.#options.dryRun) return false;
    return ((entry.mode ^ mode) & SET_GID) !== 0;
  }

  /** What stands there; with `--keep-dirlinks` what a link to a directory leads to. Throws when that is not in the destination. */
  #lookAt(parent: DirectoryHandle, name: Buffer, path: string): FileStat | undefined {
    const stat = this.#attributes.lstat(parent, name);
    if (!stat || !this.#tree.keepsLinks || !isSymlinkStat(stat)) return stat;
    try {
      if (!fs.statSync(parent.at(name)).isDirectory()) return stat;
    } catch {
      // It leads nowhere, and makes way as any other link.
      return stat;
    }
    return this.#attributes.statOf(this.#tree.directory(path));
  }

  #newDirectory(entry: FileEntry): number {
    return ITEM.IS_NEW | ITEM.LOCAL_CHANGE | this.#attributes.ofNew(entry);
  }

  /** The values of its extended attributes were asked for: it is not finished before they have come. */
  waitForXattrs(name: string): void {
    this.#waiting.set(name, false);
  }

  /** They have come. */
  xattrsCame(name: string): void {
    const isDue = this.#waiting.get(name);
    if (isDue === undefined) return;
    this.#waiting.delete(name);
    if (isDue) this.#finish(name);
  }

  /** A directory is not there, and will not be made. */
  leaveOut(name: string): void {
    this.#missing.add(name);
  }

  /** Whether there is such a directory now. */
  isHere(name: string): boolean {
    return this.#tree.has(name);
  }

  /** Whether a directory is not there, and will not be. */
  isMissing(name: string): boolean {
    return this.#missing.has(name);
  }

  /** Whether an entry lies in a directory that was left out. */
  isLeftOut(entry: FileEntry): boolean {
    if (this.#missing.size === 0 || entry.name === ".") return false;
    const directory = directoryOf(entry.name);
    if (!this.#missing.has(directory)) return false;
    if (this.#untold.delete(directory)) {
      this.#tally.problem(`"${directory}" is no directory and stays: its content is left out`);
    }
    if (isDirectory(entry)) this.#missing.add(entry.name);
    return true;
  }

  /** Whether a directory was made by this pull, so that nothing can be in it that has to go. */
  wasCreated(name: string): boolean {
    const open = this.#open.get(name);
    return open !== undefined && open.before === undefined;
  }

  /** A list is finished: with incremental recursion nothing more will happen in its directory. */
  listFinished(list: FileList): void {
    const directory = contentDirectory(list);
    if (!directory) return;
    // What a plain user could not enter any more must wait until all below it is done.
    if ((directory.mode & WORKABLE) !== WORKABLE && process.geteuid?.() !== 0) return;
    this.#finish(directory.name);
  }

  /** Everything is finished: the rest of the directories, deepest work first. */
  finishAll(): void {
    for (const name of [...this.#open.keys()].toReversed()) this.#finish(name);
  }

  #note(entry: FileEntry, before: FileStat | undefined): void {
    this.#open.set(entry.name, { entry, before });
  }

  #finish(name: string): void {
    const open = this.#open.get(name);
    if (!open) return;
    if (this.#waiting.has(name)) {
      this.#waiting.set(name, true);
      return;
    }
    this.#open.delete(name);
    if (this.#options.dryRun) return;
    try {
      this.#attributes.applyToDirectory(this.#tree.directory(name), open.entry, open.before);
    } catch (error) {
      this.#tally.problem(describeFailure("cannot set the attributes of directory", name, error));
    }
  }

  /** The directory that `entry` lies in; undefined in a dry run that would have made it. */
  #parentOf(entry: FileEntry): ReturnType<DestinationTree["directory"]> | undefined {
    try {
      return this.#tree.directory(directoryOf(entry.name));
    } catch (error) {
      // It would have been made, maybe in the place of something else.
      if (this.#options.dryRun && NOT_THERE.has(errorCode(error))) return undefined;
      throw error;
    }
  }
}
