import { type DirectoryHandle, isDirectory } from "@dialhome/posix-fs";
import type { DestinationTree } from "./destination-tree.ts";
import { nameBytes } from "./destination-tree.ts";
import type { DeletedEntry } from "./pull-options.ts";
import { Slices } from "./slices.ts";
import { countKind, describeFailure, type Tally } from "./tally.ts";

/** Directories this deep below the one being removed are removed in one go and counted as one. */
const COUNTED_DEPTH = 64;

/** Removes what is in the destination and not in the list. */
export class Deletion {
  readonly #tree: DestinationTree;
  readonly #tally: Tally;
  readonly #dryRun: boolean;
  readonly #onDelete: ((deleted: DeletedEntry) => void) | undefined;
  readonly #slices = new Slices();

  constructor(
    tree: DestinationTree,
    tally: Tally,
    dryRun: boolean,
    onDelete: ((deleted: DeletedEntry) => void) | undefined,
  ) {
    this.#tree = tree;
    this.#tally = tally;
    this.#dryRun = dryRun;
    this.#onDelete = onDelete;
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
    for (const name of names) if (!keep.has(name)) await this.remove(path, name);
  }

  /** Removes one entry and all below it. @returns false when something of it stays */
  async remove(directory: string, name: string): Promise<boolean> {
    const path = directory === "." ? name : `${directory}/${name}`;
    try {
      // A handle of its own: between two slices others use the tree.
      using parent = this.#tree.own(directory);
      await this.#remove(parent, name, path, 0);
      return true;
    } catch (error) {
      this.#tally.problem(describeFailure("cannot delete", path, error));
      return false;
    }
  }

  async #remove(parent: DirectoryHandle, name: string, path: string, depth: number): Promise<void> {
    if (this.#slices.over) await this.#slices.rest();
    const bytes = nameBytes(name);
    const stat = parent.lstat(bytes);
    if (!stat) return;
    if (isDirectory(stat)) {
      this.#tree.forget(path);
      if (!this.#dryRun && depth >= COUNTED_DEPTH) {
        await parent.removeTreeInSlices(bytes);
      } else {
        using handle = parent.openDirectory(bytes);
        for (const below of handle.names()) {
          const text = below.toString("latin1");
          await this.#remove(handle, text, `${path}/${text}`, depth + 1);
        }
        if (!this.#dryRun) parent.rmdir(bytes);
      }
    } else if (!this.#dryRun) {
      parent.unlink(bytes);
    }
    countKind(this.#tally.deleted, stat);
    this.#onDelete?.({ name: path, isDirectory: isDirectory(stat) });
  }
}
