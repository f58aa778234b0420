import { type DirectoryHandle, errorCode, type FileStat, OpenXattrs } from "@dialhome/posix-fs";
import type { AttributesSource } from "./attributes-digest.ts";

const SLASH = 0x2f;
const ROOT = Buffer.from(".");

/** What stands in the way of a path, rather than being absent: its errors mean "not there" to a reader. */
const ABSENT: ReadonlySet<string> = new Set(["ENOENT", "ENOTDIR", "ELOOP"]);

/** An entry by its held directory and its name. */
export interface Located {
  readonly directory: DirectoryHandle;
  readonly name: Buffer;
}

/** Whether a path is the root of its tree. */
export function isRoot(path: Uint8Array): boolean {
  return path.length === 1 && path[0] === ROOT[0];
}

/**
 * Reaches entries of a tree by relative paths, component by component through held directories: no symbolic link
 * is followed, and a directory is opened once for all its entries that come in a row.
 */
export class TreeCursor implements Disposable {
  readonly #root: DirectoryHandle;
  readonly #open: (parent: DirectoryHandle, name: Buffer, path: Buffer) => DirectoryHandle;
  readonly #names: Buffer[] = [];
  readonly #handles: DirectoryHandle[] = [];
  #current: Buffer = Buffer.alloc(0);

  /** The root stays the caller's. `open` opens a child directory; by default one that must be there. */
  constructor(
    root: DirectoryHandle,
    open: (parent: DirectoryHandle, name: Buffer, path: Buffer) => DirectoryHandle = (
      parent,
      name,
    ) => parent.openDirectory(name),
  ) {
    this.#root = root;
    this.#open = open;
  }

  /** The entry's directory, open, and its name; not for the root itself. Valid until the next call. */
  locate(path: Buffer): Located {
    const slash = path.lastIndexOf(SLASH);
    const directory = slash < 0 ? ROOT.subarray(0, 0) : path.subarray(0, slash);
    if (!directory.equals(this.#current)) this.#move(directory);
    return { directory: this.#handles.at(-1) ?? this.#root, name: path.subarray(slash + 1) };
  }

  /** What an entry is; undefined when it, or a directory on the way, is not there. */
  lstat(path: Buffer): FileStat | undefined {
    if (isRoot(path)) return this.#root.stat();
    try {
      const { directory, name } = this.locate(path);
      return directory.lstat(name);
    } catch (error) {
      if (ABSENT.has(errorCode(error) ?? "")) return undefined;
      throw error;
    }
  }

  /** The extended attributes of an entry; valid until the next call. */
  attributes(path: Buffer): AttributesSource {
    if (isRoot(path)) return new OpenXattrs(this.#root.fd);
    const { directory, name } = this.locate(path);
    return {
      list: () => directory.listXattrs(name),
      get: (attribute) => directory.getXattr(name, attribute),
    };
  }

  /** Closes what it opened. */
  [Symbol.dispose](): void {
    this.#shrink(0);
  }

  #move(directory: Buffer): void {
    const names = directory.length === 0 ? [] : split(directory);
    let kept = 0;
    while (kept < names.length && kept < this.#names.length) {
      const name = names[kept];
      if (name === undefined || !this.#names[kept]?.equals(name)) break;
      kept += 1;
    }
    this.#shrink(kept);
    let end = 0;
    for (const [i, name] of names.entries()) {
      end += name.length + (i === 0 ? 0 : 1);
      if (i < kept) continue;
      const parent = this.#handles.at(-1) ?? this.#root;
      const handle = this.#open(parent, name, directory.subarray(0, end));
      this.#handles.push(handle);
      this.#names.push(Buffer.from(name));
      this.#current = Buffer.from(directory.subarray(0, end));
    }
  }

  #shrink(depth: number): void {
    while (this.#handles.length > depth) {
      this.#handles.pop()?.close();
      this.#names.pop();
    }
    this.#current = Buffer.from(
      Buffer.concat(this.#names.flatMap((name) => [SEPARATOR, name])).subarray(1),
    );
  }
}

const SEPARATOR = Buffer.from("/");

function split(path: Buffer): Buffer[] {
  const names: Buffer[] = [];
  let start = 0;
  for (;;) {
    const end = path.indexOf(SLASH, start);
    if (end < 0) break;
    names.push(path.subarray(start, end));
    start = end + 1;
  }
  names.push(path.subarray(start));
  return names;
}
