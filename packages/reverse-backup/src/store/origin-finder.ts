import type { DirectoryHandle, FileStat } from "@dialhome/posix-fs";
import { STORE_NAMES } from "./constants.ts";
import type { DigestTable } from "./digest-table.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import type { ResumeBasis } from "./partial.ts";
import { TreeCursor } from "./tree-cursor.ts";

/** A published snapshot that files are taken over from. */
export interface Origin {
  readonly id: string;
  readonly digests: DigestTable;
}

/** Finds where a file was taken over from, by its inode: with two places, equal size and time prove nothing. */
export class OriginFinder implements Disposable {
  readonly #own: Tree;
  readonly #origins: readonly { readonly tree: Tree; readonly digests: DigestTable }[];

  constructor(
    partial: DirectoryHandle,
    machine: DirectoryHandle,
    previous: Origin | undefined,
    basis: ResumeBasis,
  ) {
    this.#own = new Tree(partial.openDirectory(Buffer.from(STORE_NAMES.data)));
    const origins = [
      {
        tree: new Tree(basis.directory.openDirectory(Buffer.from(STORE_NAMES.data))),
        digests: basis.digests,
      },
    ];
    if (previous !== undefined) {
      using snapshot = machine.openDirectory(Buffer.from(previous.id));
      origins.push({
        tree: new Tree(snapshot.openDirectory(Buffer.from(STORE_NAMES.data))),
        digests: previous.digests,
      });
    }
    this.#origins = origins;
  }

  digestOf(entry: ManifestEntry): Buffer | undefined {
    const own = this.#own.lstat(entry.name);
    for (const { tree, digests } of this.#origins) {
      const digest = digests.find(entry);
      if (digest !== undefined && own !== undefined && tree.lstat(entry.name)?.ino === own.ino) {
        return digest;
      }
    }
    return undefined;
  }

  [Symbol.dispose](): void {
    this.#own[Symbol.dispose]();
    for (const { tree } of this.#origins) tree[Symbol.dispose]();
  }
}

/** A cursor with a root of its own. */
class Tree implements Disposable {
  readonly #root: DirectoryHandle;
  readonly #cursor: TreeCursor;

  constructor(root: DirectoryHandle) {
    this.#root = root;
    this.#cursor = new TreeCursor(root);
  }

  lstat(path: Buffer): FileStat | undefined {
    return this.#cursor.lstat(path);
  }

  [Symbol.dispose](): void {
    this.#cursor[Symbol.dispose]();
    this.#root.close();
  }
}
