import { DirectoryHandle, type FileStat, isDirectory } from "@dialhome/posix-fs";
import { baseNameOf, directoryOf, isRegularFile } from "@dialhome/rsync-protocol";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";
import { makeOpenDirectory } from "./made-directory.ts";

/** Files that came in part, in a directory of their own (`--partial-dir`): beside their places, or one for all. */
export class PartialFiles {
  readonly #tree: DestinationTree;
  /** Below each directory of the destination; or from the root of the file system on. */
  readonly #where: string;

  /** @param where - latin1; an absolute one is the user's, and symbolic links in it are followed */
  constructor(tree: DestinationTree, where: string) {
    this.#tree = tree;
    this.#where = where;
  }

  /** What lies there for the place `path`, if it is a file. */
  stat(path: string): FileStat | undefined {
    try {
      using directory = this.#open(path);
      const stat = directory.lstat(nameBytes(baseNameOf(path)));
      return stat && isRegularFile(stat) ? stat : undefined;
    } catch {
      // Mostly there is no such directory.
      return undefined;
    }
  }

  openFile(path: string, flags?: number): number {
    using directory = this.#open(path);
    return directory.openFile(nameBytes(baseNameOf(path)), flags);
  }

  /** The directory for the file of a place, made if need be. The caller closes it. */
  make(path: string): DirectoryHandle {
    try {
      return this.#open(path);
    } catch {
      return this.#isAbsolute
        ? makeAbsolute(this.#where)
        : makeOpenDirectory(this.#tree, this.#below(path), 0o700);
    }
  }

  /** Removes what lies there for a place, and its directory when nothing else is in it. */
  remove(path: string): void {
    try {
      using directory = this.#open(path);
      directory.unlink(nameBytes(baseNameOf(path)));
    } catch {
      // Nothing is there.
      return;
    }
    this.leave(path);
  }

  /** It has gone to its place: its directory goes too when nothing else is in it. */
  leave(path: string): void {
    if (this.#isAbsolute) return;
    const below = this.#below(path);
    try {
      this.#tree.forget(below);
      this.#tree.directory(directoryOf(below)).rmdir(nameBytes(baseNameOf(below)));
    } catch {
      // Others are in it.
    }
  }

  get #isAbsolute(): boolean {
    return this.#where.startsWith("/");
  }

  #below(path: string): string {
    const directory = directoryOf(path);
    return directory === "." ? this.#where : `${directory}/${this.#where}`;
  }

  #open(path: string): DirectoryHandle {
    return this.#isAbsolute
      ? DirectoryHandle.open(nameBytes(this.#where), { followLast: true })
      : this.#tree.own(this.#below(path));
  }
}

function makeAbsolute(path: string): DirectoryHandle {
  const trimmed = path.replace(/(?<=[^/])\/+$/, "");
  using parent = DirectoryHandle.open(nameBytes(directoryOf(trimmed) || "/"), { followLast: true });
  const name = nameBytes(baseNameOf(trimmed));
  const there = parent.lstat(name);
  if (there && !isDirectory(there)) parent.unlink(name);
  if (!there || !isDirectory(there)) parent.mkdir(name, 0o700);
  return parent.openDirectory(name);
}
