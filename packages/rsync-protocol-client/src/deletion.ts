import { type DirectoryHandle, isDirectory } from "@dialhome/posix-fs";
import { type FilterChain, RsyncError, type Wire } from "@dialhome/rsync-protocol";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";
import type { DeletedEntry, PullOptions } from "./pull-options.ts";
import { Slices } from "./slices.ts";
import { countKind, describeFailure, type Tally } from "./tally.ts";

/** Directories this deep below the one being removed are removed in one go and counted as one. */
const COUNTED_DEPTH = 64;
/** Permissions that a directory needs while it is emptied. */
const WORKABLE = 0o700;

/** Removes what is in the destination and not in the list, but for what filter rules protect. */
export class Deletion {
  readonly #tree: DestinationTree;
  readonly #tally: Tally;
  readonly #wire: Wire;
  readonly #rules: FilterChain;
  readonly #options: Pick<PullOptions, "dryRun" | "onDelete">;
  readonly #slices = new Slices();

  constructor(
    tree: DestinationTree,
    tally: Tally,
    wire: Wire,
    rules: FilterChain,
    options: Pick<PullOptions, "dryRun" | "onDelete">,
  ) {
    this.#tree = tree;
    this.#tally = tally;
    this.#wire = wire;
    this.#rules = rules;
    this.#options = options;
  }

  /** Removes from the directory `path` all names but those in `keep`. */
  async sweep(path: string, keep: ReadonlySet<string>): Promise<void> {
    let names: string[];
    try {
      names = this.#tree
        .directory(path)
        .names()
        .map((name) => name.toString("latin1"));
    } catch (error) {
      this.#tally.problem(describeFailure("cannot read directory", path, error));
      return;
    }
    for (const name of names) {
      if (keep.has(name)) continue;
      if (this.#rules.isEmpty || this.#atRisk(path, name)) await this.remove(path, name);
    }
  }

  /** Removes one entry and all below it that no rule protects. @returns false when something of it stays */
  async remove(directory: string, name: string): Promise<boolean> {
    return this.#removeHere(directory, name, true);
  }

  /** As {@link remove}, for what stands in the way of something else: as in rsync(1), only its content is told as deleted. */
  async makeWay(directory: string, name: string): Promise<boolean> {
    return this.#removeHere(directory, name, false);
  }

  async #removeHere(directory: string, name: string, told: boolean): Promise<boolean> {
    const path = directory === "." ? name : `${directory}/${name}`;
    try {
      // A handle of its own: between two slices others use the tree.
      using parent = this.#tree.own(directory);
      return await this.#remove(parent, name, path, 0, told);
    } catch (error) {
      if (error instanceof RsyncError) throw error;
      this.#tally.problem(describeFailure("cannot delete", path, error));
      return false;
    }
  }

  /** @returns false when a rule protects something below it, so that it stays */
  async #remove(
    parent: DirectoryHandle,
    name: string,
    path: string,
    depth: number,
    told: boolean,
  ): Promise<boolean> {
    if (this.#slices.over) {
      await this.#slices.rest();
      // A pull that was stopped deletes nothing more.
      await this.#wire.drained();
    }
    const bytes = nameBytes(name);
    const stat = parent.lstat(bytes);
    if (!stat) return true;
    if (isDirectory(stat)) {
      this.#tree.forget(path);
      if (!(await this.#empty(parent, bytes, stat.mode, path, depth))) return false;
      if (!this.#options.dryRun && depth < COUNTED_DEPTH) parent.rmdir(bytes);
    } else if (!this.#options.dryRun) {
      parent.unlink(bytes);
    }
    countKind(this.#tally.deleted, stat);
    if (told) this.#tell({ name: path, isDirectory: isDirectory(stat) });
    return true;
  }

  #tell(deleted: DeletedEntry): void {
    try {
      this.#options.onDelete?.(deleted);
    } catch (error) {
      const text = `stopped by the caller at "${deleted.name}"`;
      throw new RsyncError("ERR_RSYNC_ABORTED", text, { cause: error });
    }
  }

  /** Removes the content of a directory; far down, without rules, the directory itself as well. */
  async #empty(
    parent: DirectoryHandle,
    name: Buffer,
    mode: number,
    path: string,
    depth: number,
  ): Promise<boolean> {
    const { dryRun } = this.#options;
    if (depth >= COUNTED_DEPTH) {
      if (!this.#rules.isEmpty) throw new Error("too deep to tell what filter rules protect");
      if (!dryRun) await parent.removeTreeInSlices(name);
      return true;
    }
    if (!dryRun && (mode & WORKABLE) !== WORKABLE && process.geteuid?.() !== 0) {
      parent.chmod(name, (mode & 0o7777) | WORKABLE);
    }
    using handle = parent.openDirectory(name);
    let empty = true;
    for (const below of handle.names()) {
      const text = below.toString("latin1");
      const inside = `${path}/${text}`;
      const stays = !this.#rules.isEmpty && this.#isProtected(handle, below, inside, true);
      if (stays || !(await this.#remove(handle, text, inside, depth + 1, true))) empty = false;
    }
    if (!empty) {
      const text = `cannot delete "${path}": a filter rule protects something in it`;
      this.#tally.message({ level: "info", text, fromPeer: false });
    }
    return empty;
  }

  /** Whether no rule protects an entry of a directory that stays. What cannot be looked at is not at risk. */
  #atRisk(directory: string, name: string): boolean {
    const path = directory === "." ? name : `${directory}/${name}`;
    try {
      return !this.#isProtected(this.#tree.directory(directory), nameBytes(name), path, false);
    } catch (error) {
      this.#tally.problem(describeFailure("cannot delete", path, error));
      return false;
    }
  }

  /** Whether a rule protects an entry; perishable ones do not where the directory around it goes. */
  #isProtected(
    directory: DirectoryHandle,
    name: Buffer,
    path: string,
    ignorePerishable: boolean,
  ): boolean {
    const stat = directory.lstat(name);
    return (
      stat !== undefined &&
      this.#rules.decide(path, isDirectory(stat), ignorePerishable) === "exclude"
    );
  }
}
