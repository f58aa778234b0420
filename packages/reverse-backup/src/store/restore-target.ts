import * as fs from "node:fs";
import { DirectoryHandle, errorCode, FILE_TYPE, OpenXattrs } from "@dialhome/posix-fs";
import type { Attribute } from "./attributes-digest.ts";
import { removeIfThere } from "./durable-files.ts";
import { printable, StoreError } from "./errors.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import { isRoot, type Located, TreeCursor } from "./tree-cursor.ts";

/** Refusals that mean "no hard links here", not "taken". */
const NO_LINKS: ReadonlySet<string> = new Set([
  "EPERM",
  "EOPNOTSUPP",
  "ENOTSUP",
  "ENOSYS",
  "EMLINK",
]);

/** The tree that is restored to. Below its root, which the user named, no symbolic link is followed. */
export class RestoreTarget implements Disposable {
  readonly #root: DirectoryHandle;
  readonly #cursor: TreeCursor;
  readonly #madeCursor: TreeCursor;
  readonly #overwrite: boolean;
  readonly #owners: boolean = process.geteuid?.() === 0;
  /** Gives the access control lists and extended attributes of an entry, where the snapshot kept them. */
  attributesOf: (entry: ManifestEntry) => readonly Attribute[] = () => [];
  /** Directories that were made here, as latin1 of their paths. */
  readonly #made = new Set<string>();
  readonly #directories: ManifestEntry[] = [];

  private constructor(root: DirectoryHandle, made: boolean, overwrite: boolean) {
    this.#root = root;
    this.#overwrite = overwrite;
    if (made) this.#made.add(".");
    this.#madeCursor = new TreeCursor(root);
    this.#cursor = new TreeCursor(root, (parent, name, path) => this.#open(parent, name, path));
  }

  /** Opens the destination, making its last component when it is missing. */
  static open(path: string, overwrite: boolean): RestoreTarget {
    let made = false;
    try {
      fs.mkdirSync(path, { mode: 0o700 });
      made = true;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") throw error;
    }
    return new RestoreTarget(DirectoryHandle.open(path, { followLast: true }), made, overwrite);
  }

  /** Whether owners are set and devices made: as root. */
  get owners(): boolean {
    return this.#owners;
  }

  get isEmpty(): boolean {
    return this.#root.names().length === 0;
  }

  /** Throws `ERR_STORE_EXISTS` when an entry would need something to go that may not. Changes nothing. */
  assertFree(entry: ManifestEntry, cursor: TreeCursor): void {
    const existing = isRoot(entry.name) ? undefined : cursor.lstat(entry.name);
    if (existing === undefined) return;
    const isDirectory = (existing.mode & FILE_TYPE.MASK) === FILE_TYPE.DIRECTORY;
    const wanted = (entry.mode & FILE_TYPE.MASK) === FILE_TYPE.DIRECTORY;
    if (isDirectory && wanted) return;
    if (isDirectory || !this.#overwrite) throw exists(entry.name, isDirectory);
  }

  /** A cursor that only looks. */
  look(): TreeCursor {
    return new TreeCursor(this.#root);
  }

  /** Where an entry goes; the directories on the way are made. */
  locate(path: Buffer): Located {
    return this.#cursor.locate(path);
  }

  /** Where an entry lies that was restored before; valid beside one {@link locate}. */
  locateMade(path: Buffer): Located {
    return this.#madeCursor.locate(path);
  }

  /** Makes a directory, private for now; {@link finishDirectories} gives it its mode, owner and times. */
  makeDirectory(entry: ManifestEntry, selected: boolean): void {
    if (!isRoot(entry.name)) {
      const { directory, name } = this.#cursor.locate(entry.name);
      this.#open(directory, name, entry.name).close();
    }
    const made = this.#made.has(entry.name.toString("latin1"));
    // The destination itself takes the root's attributes only with the whole tree.
    if (
      isRoot(entry.name)
        ? selected && (made || this.#overwrite)
        : made || (selected && this.#overwrite)
    ) {
      this.#directories.push(entry);
    }
  }

  /** Gives a finished entry its name. Throws `ERR_STORE_EXISTS` when it is taken and may not be replaced. */
  settle(directory: DirectoryHandle, temporary: Buffer, name: Buffer, path: Buffer): void {
    try {
      if (this.#overwrite) {
        directory.rename(temporary, directory, name);
        return;
      }
      // A link, other than a rename, does not replace.
      directory.link(directory, temporary, name);
    } catch (error) {
      const code = errorCode(error) ?? "";
      if (code === "EEXIST" || code === "EISDIR" || code === "ENOTEMPTY") {
        throw exists(path, code !== "EEXIST");
      }
      if (this.#overwrite || !NO_LINKS.has(code)) throw error;
      if (directory.lstat(name) !== undefined) throw exists(path, false);
      directory.rename(temporary, directory, name);
      return;
    }
    directory.unlink(temporary);
  }

  /** Sets owner, attributes, mode and times of an entry that is not open. */
  setAttributes(directory: DirectoryHandle, name: Buffer, entry: ManifestEntry): void {
    if (this.#owners) directory.chown(name, entry.uid, entry.gid);
    for (const { name: attribute, value } of this.attributesOf(entry)) {
      directory.setXattr(name, attribute, value);
    }
    if ((entry.mode & FILE_TYPE.MASK) !== FILE_TYPE.SYMLINK) {
      directory.chmod(name, this.#permissions(entry));
    }
    directory.setTimes(name, entry);
  }

  /** Sets owner, attributes, mode and times of an open file; the owner first, since that clears set-id bits. */
  setAttributesOfFd(fd: number, entry: ManifestEntry): void {
    if (this.#owners) fs.fchownSync(fd, entry.uid, entry.gid);
    for (const { name, value } of this.attributesOf(entry)) new OpenXattrs(fd).set(name, value);
    fs.fchmodSync(fd, this.#permissions(entry));
    this.#root.setTimesOfFd(fd, entry);
  }

  /** Attributes of the directories, the deepest first: a finished one may be read-only, and must not change again. */
  finishDirectories(onFailure: (entry: ManifestEntry, error: unknown) => void): void {
    const deepestFirst = this.#directories.toSorted((a, b) => -Buffer.compare(a.name, b.name));
    for (const entry of deepestFirst) {
      try {
        if (isRoot(entry.name)) continue;
        const { directory, name } = this.#cursor.locate(entry.name);
        this.setAttributes(directory, name, entry);
      } catch (error) {
        onFailure(entry, error);
      }
    }
    const root = this.#directories.find(({ name }) => isRoot(name));
    if (root === undefined) return;
    try {
      this.setAttributesOfFd(this.#root.fd, root);
    } catch (error) {
      onFailure(root, error);
    }
  }

  /** Brings all that was restored to the disk. */
  async flush(): Promise<void> {
    await this.#root.flush();
  }

  [Symbol.dispose](): void {
    this.#cursor[Symbol.dispose]();
    this.#madeCursor[Symbol.dispose]();
    this.#root.close();
  }

  /** A file that is not given to its owner must not lend this user's rights. */
  #permissions(entry: ManifestEntry): number {
    return entry.mode & (this.#owners ? 0o7777 : 0o1777);
  }

  #open(parent: DirectoryHandle, name: Buffer, path: Buffer): DirectoryHandle {
    try {
      return parent.openDirectory(name);
    } catch (error) {
      const code = errorCode(error);
      if (code === "ENOTDIR" || code === "ELOOP") {
        if (!this.#overwrite) throw exists(path, false);
        removeIfThere(parent, name);
      } else if (code !== "ENOENT") {
        throw error;
      }
    }
    parent.mkdir(name, 0o700);
    this.#made.add(path.toString("latin1"));
    return parent.openDirectory(name);
  }
}

function exists(path: Buffer, isDirectory: boolean): StoreError {
  const what = isDirectory ? "is there already, and is a directory" : "is there already";
  return new StoreError("ERR_STORE_EXISTS", `${printable(path)} ${what}`, {
    path: path.toString(),
  });
}
