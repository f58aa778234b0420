import { DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { baseNameOf, directoryOf } from "@dialhome/rsync-protocol";
import { openThroughLinks } from "./directory-links.ts";

/** Directories that are held open at once. */
const HELD = 64;

/**
 * A tree on disk, reached by paths from the wire without ever following a symbolic link: each directory on the way is
 * opened from the one above, and the last few are held.
 */
export class DestinationTree implements Disposable {
  readonly root: DirectoryHandle;
  /** Links to directories of this tree lead to them (`--keep-dirlinks`). */
  readonly keepsLinks: boolean;
  readonly #held = new Map<string, DirectoryHandle>();
  /** The directory that was asked for last: mostly it is the next one too. */
  #lastPath = ".";
  #last: DirectoryHandle;

  /** Takes over `root` and closes it at the end. */
  constructor(root: DirectoryHandle, keepsLinks = false) {
    this.root = root;
    this.keepsLinks = keepsLinks;
    this.#last = root;
  }

  /**
   * The directory with that path (`.` is the root). The handle is valid until the next call.
   * Throws as `openat` does when it is missing or something else.
   */
  directory(path: string): DirectoryHandle {
    if (path === this.#lastPath) return this.#last;
    const handle = path === "." ? this.root : this.#find(path);
    this.#lastPath = path;
    this.#last = handle;
    return handle;
  }

  /** Whether there is such a directory. */
  has(path: string): boolean {
    try {
      this.directory(path);
      return true;
    } catch {
      return false;
    }
  }

  #find(path: string): DirectoryHandle {
    const held = this.#held.get(path);
    if (held) {
      // Found again: the youngest, so that the oldest is let go first.
      this.#held.delete(path);
      this.#held.set(path, held);
      return held;
    }
    const handle = this.#open(path);
    this.#held.set(path, handle);
    if (this.#held.size > HELD) {
      for (const [oldest, old] of this.#held) {
        old.close();
        this.#held.delete(oldest);
        break;
      }
    }
    return handle;
  }

  /** The directory with that path as a handle of its own, which stays open until the caller closes it. */
  own(path: string): DirectoryHandle {
    if (path === ".") return DirectoryHandle.open(this.root.self);
    return this.#open(path);
  }

  #open(path: string): DirectoryHandle {
    try {
      return this.directory(directoryOf(path)).openDirectory(nameBytes(baseNameOf(path)));
    } catch (error) {
      const code = this.keepsLinks ? errorCode(error) : undefined;
      if (code !== "ENOTDIR" && code !== "ELOOP") throw error;
      return openThroughLinks(this.root, path);
    }
  }

  /** Lets go of a directory, and of what lies below it: it is about to be removed or replaced. */
  forget(path: string): void {
    this.#lastPath = ".";
    this.#last = this.root;
    for (const [held, handle] of this.#held) {
      // With links a directory may be held under other paths too.
      if (!this.keepsLinks && held !== path && !held.startsWith(`${path}/`)) continue;
      handle.close();
      this.#held.delete(held);
    }
  }

  [Symbol.dispose](): void {
    for (const handle of this.#held.values()) handle.close();
    this.#held.clear();
    this.root.close();
  }
}

/** The bytes of a name, link target or path as it is held in memory: latin1, one character a byte. */
export function nameBytes(name: string): Buffer {
  return Buffer.from(name, "latin1");
}
