import { type DirectoryHandle, errorCode, type FileStat, isDirectory } from "@dialhome/posix-fs";
import {
  compareEntries,
  type FilterChain,
  type Placed,
  RsyncError,
  type Wire,
} from "@dialhome/rsync-protocol";
import type { Backups } from "./backups.ts";
import { DeletionCount } from "./deletion-count.ts";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";
import { lstatRecorded } from "./fake-super.ts";
import { type LocalFilters, readRuleFile } from "./local-filters.ts";
import type { PullOptions } from "./pull-options.ts";
import { Slices } from "./slices.ts";
import type { Sweeper } from "./sweeps.ts";
import { describeFailure, type Tally } from "./tally.ts";

/** Directories this deep below the one being removed are removed in one go and counted as one. */
const COUNTED_DEPTH = 64;
/** Permissions that a directory needs while it is emptied. */
const WORKABLE = 0o700;

export type DeletionOptions = Pick<
  PullOptions,
  "dryRun" | "onDelete" | "maxDelete" | "oneFileSystem" | "fakeSuper"
>;

/** One of the entries of a directory that have to go. */
interface Doomed {
  readonly name: string;
  readonly stat: FileStat;
}

/** What is being removed, and on what terms. */
interface Removal {
  readonly rules: FilterChain;
  readonly depth: number;
  /** It is told, counted and bounded; not what makes way for something else. */
  readonly told: boolean;
  /** Not with what is in it. */
  readonly onlyEmpty?: boolean;
}

/** Removes what is in the destination and not in the list, but for what filter rules protect. */
export class Deletion implements Sweeper {
  readonly #tree: DestinationTree;
  readonly #tally: Tally;
  readonly #wire: Wire;
  readonly #filters: LocalFilters;
  readonly #options: DeletionOptions;
  readonly #backups: Backups | undefined;
  readonly #slices = new Slices();
  /** With `--delete-delay`: what was found, in the order in which it goes. */
  readonly #delayed: { readonly directory: string; readonly name: string }[] = [];
  readonly #count: DeletionCount;

  constructor(
    tree: DestinationTree,
    tally: Tally,
    wire: Wire,
    filters: LocalFilters,
    options: DeletionOptions,
    backups?: Backups,
  ) {
    this.#backups = backups;
    this.#tree = tree;
    this.#tally = tally;
    this.#wire = wire;
    this.#filters = filters;
    this.#options = options;
    this.#count = new DeletionCount(tally, options);
  }

  /**
   * Removes from the directory `path` all names but those in `keep`.
   * @param delayed - notes them for {@link removeDelayed} instead
   */
  async sweep(path: string, keep: ReadonlySet<string>, delayed = false): Promise<void> {
    let doomed: Doomed[];
    const rules = this.#filters.walkTo(path);
    try {
      const directory = this.#tree.directory(path);
      doomed = this.#doomed(directory, path, rules, false, keep);
    } catch (error) {
      if (error instanceof RsyncError) throw error;
      this.#tally.problem(describeFailure("cannot read directory", path, error));
      return;
    }
    for (const { name } of doomed) {
      if (delayed) this.#delayed.push({ directory: path, name });
      else await this.#removeHere(path, name, rules, true);
    }
  }

  /** Removes what sweeps have noted. */
  async removeDelayed(): Promise<void> {
    for (const { directory, name } of this.#delayed.splice(0)) await this.remove(directory, name);
  }

  /**
   * Removes one entry and all below it that no rule protects.
   * @param onlyEmpty - not a directory with content
   * @returns false when something of it stays
   */
  async remove(directory: string, name: string, onlyEmpty = false): Promise<boolean> {
    return this.#removeHere(directory, name, this.#filters.at(directory), true, onlyEmpty);
  }

  /** As {@link remove}, for what stands in the way of something else: as in rsync(1), only its content is told as deleted. */
  async makeWay(directory: string, name: string): Promise<boolean> {
    const gone = await this.#removeHere(directory, name, this.#filters.at(directory), false);
    if (!gone) this.#tally.problem(`could not make way for "${inDirectory(directory, name)}"`);
    return gone;
  }

  /** A directory stays where it is in the way of something else, since something is in it. */
  tellNotEmpty(path: string): void {
    this.#count.notEmpty(path);
  }

  /** After the last. */
  finish(): void {
    this.#count.finish();
  }

  async #removeHere(
    directory: string,
    name: string,
    rules: FilterChain,
    told: boolean,
    onlyEmpty = false,
  ): Promise<boolean> {
    const path = inDirectory(directory, name);
    try {
      // A handle of its own: between two slices others use the tree.
      using parent = this.#tree.own(directory);
      return await this.#remove(parent, name, path, { rules, depth: 0, told, onlyEmpty });
    } catch (error) {
      if (error instanceof RsyncError) throw error;
      this.#tally.problem(describeFailure("cannot delete", path, error));
      return false;
    }
  }

  /** @returns false when something of it stays */
  async #remove(
    parent: DirectoryHandle,
    name: string,
    path: string,
    removal: Removal,
    known?: FileStat,
  ): Promise<boolean> {
    if (this.#slices.over) {
      await this.#slices.rest();
      // A pull that was stopped deletes nothing more.
      await this.#wire.drained();
    }
    const bytes = nameBytes(name);
    const stat = known ?? parent.lstat(bytes);
    if (!stat) return true;
    const { told, depth } = removal;
    const { dryRun } = this.#options;
    const directory = isDirectory(stat);
    if (directory) {
      this.#tree.forget(path);
      if (!(await this.#empty(parent, bytes, stat.mode, path, removal))) return false;
    }
    if (told && !this.#count.mayDelete()) return false;
    // What stands in for a device or a link counts as one.
    const kind = told && this.#options.fakeSuper ? lstatRecorded(parent, bytes) : undefined;
    if (!dryRun && !directory) {
      if (!this.#unlink(parent, bytes, path)) return false;
    } else if (!dryRun && depth < COUNTED_DEPTH && !this.#rmdir(parent, bytes, path)) return false;
    if (told) this.#count.deleted({ name: path, isDirectory: directory }, kind ?? stat);
    return true;
  }

  /** @returns false when it stays, as what cannot be kept elsewhere does: that is no reason to keep the others */
  #unlink(parent: DirectoryHandle, name: Buffer, path: string): boolean {
    const backups = this.#backups;
    try {
      if (backups && !backups.isBackup(path) && backups.keep(path, "rename") === "moved")
        return true;
      unlinkIfThere(parent, name);
      return true;
    } catch (error) {
      const text = describeFailure("cannot delete", path, error);
      this.#tally.problem(text);
      return false;
    }
  }

  #rmdir(parent: DirectoryHandle, name: Buffer, path: string): boolean {
    try {
      parent.rmdir(name);
      return true;
    } catch (error) {
      if (errorCode(error) !== "ENOTEMPTY") throw error;
      this.#count.notEmpty(path);
      return false;
    }
  }

  /** Removes the content of a directory; far down, without rules, the directory itself as well. */
  async #empty(
    parent: DirectoryHandle,
    name: Buffer,
    mode: number,
    path: string,
    { rules, depth, onlyEmpty }: Removal,
  ): Promise<boolean> {
    const { dryRun } = this.#options;
    if (depth >= COUNTED_DEPTH) {
      if (!rules.isEmpty) throw new Error("too deep to tell what filter rules protect");
      if (!dryRun) await parent.removeTreeInSlices(name);
      return true;
    }
    if (!dryRun && (mode & WORKABLE) !== WORKABLE && process.geteuid?.() !== 0) {
      parent.chmod(name, (mode & 0o7777) | WORKABLE);
    }
    using handle = parent.openDirectory(name);
    const reads = rules.readsDirectories;
    if (reads) rules.enterDirectory(path, (file) => readRuleFile(handle, file));
    let empty = true;
    try {
      const doomed = this.#doomed(handle, path, rules, true, NOTHING, () => {
        empty = false;
      });
      if (onlyEmpty) empty = empty && doomed.length === 0;
      if (onlyEmpty) doomed.length = 0;
      const below: Removal = { rules, depth: depth + 1, told: true };
      for (const { name: inside, stat } of doomed) {
        if (!(await this.#remove(handle, inside, `${path}/${inside}`, below, stat))) empty = false;
      }
    } finally {
      if (reads) rules.leaveDirectory();
    }
    if (!empty) this.#count.notEmpty(path);
    return empty;
  }

  /**
   * What of a directory has to go, in the order in which rsync(1) deletes: the last first, so directories before files.
   * Perishable rules do not hold where the directory around goes.
   */
  #doomed(
    directory: DirectoryHandle,
    path: string,
    rules: FilterChain,
    ignorePerishable: boolean,
    keep: ReadonlySet<string>,
    onProtected?: () => void,
  ): Doomed[] {
    const found: Doomed[] = [];
    const { oneFileSystem } = this.#options;
    const device = oneFileSystem ? directory.stat().dev : undefined;
    for (const bytes of directory.names()) {
      const name = bytes.toString("latin1");
      if (keep.has(name)) continue;
      const stat = directory.lstat(bytes);
      if (!stat) continue;
      const isDir = isDirectory(stat);
      const inside = inDirectory(path, name);
      if (!rules.isEmpty && rules.decide(inside, isDir, ignorePerishable) === "exclude") {
        onProtected?.();
      } else if (isDir && device !== undefined && stat.dev !== device) {
        const text = `cannot delete mount point: ${inside}`;
        this.#tally.message({ level: "info", text, fromPeer: false });
        onProtected?.();
      } else {
        found.push({ name, stat });
      }
    }
    return found.toSorted((a, b) => compareEntries(placed(b), placed(a)));
  }
}

function placed({ name, stat }: Doomed): Placed {
  return { name, mode: stat.mode };
}

/** Others may have been quicker. */
function unlinkIfThere(directory: DirectoryHandle, name: Buffer): void {
  try {
    directory.unlink(name);
  } catch (error) {
    if (errorCode(error) !== "ENOENT") throw error;
  }
}

function inDirectory(directory: string, name: string): string {
  return directory === "." ? name : `${directory}/${name}`;
}

const NOTHING: ReadonlySet<string> = new Set();
