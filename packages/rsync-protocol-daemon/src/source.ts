import { type DirectoryHandle, type FileStat, isSymlink, OpenXattrs } from "@dialhome/posix-fs";
import { baseNameOf, directoryOf, type FileEntry } from "@dialhome/rsync-protocol";
import { HELD_DIRECTORIES } from "./constants.ts";
import type { AttributesOfEntry } from "./entry-metadata.ts";
import { type LinkFollower, noSuchEntry } from "./link-follower.ts";
import type { SourceFilter } from "./source-filter.ts";

/** An entry of a list and where it comes from. */
export interface SourceEntry extends FileEntry {
  readonly source: Source;
}

/** What a source is made of. */
export interface SourceParts {
  /** The root of the transfer. Becomes the source's own. */
  readonly directory: DirectoryHandle;
  /** Which entries are left out. */
  readonly filter: SourceFilter;
  /** Whether a name must not be reached, or lies in a directory that must not be. */
  readonly hides: (name: string, isDirectory: boolean) => boolean;
  /** Follows the links that the client wants followed. */
  readonly follower: LinkFollower;
  /** How a name of the list is shown in messages. */
  readonly label: (name: string) => string;
  /** Where a name of the list lies below the module, as it was asked for. */
  readonly path: (name: string) => string;
}

/**
 * A held directory that is the root of a transfer, and what is read below it.
 * Names are those of the list: latin1, relative to the root. No symbolic link is followed but by the follower.
 */
export class Source {
  readonly filter: SourceFilter;
  readonly hides: (name: string, isDirectory: boolean) => boolean;
  readonly path: (name: string) => string;
  readonly #root: DirectoryHandle;
  readonly #follower: LinkFollower;
  readonly #label: (name: string) => string;
  /** Open directories by name, the one used last at the end. */
  readonly #held = new Map<string, DirectoryHandle>();
  #lastName = ".";
  #last: DirectoryHandle;

  constructor(parts: SourceParts) {
    this.#root = parts.directory;
    this.#last = parts.directory;
    this.filter = parts.filter;
    this.hides = parts.hides;
    this.path = parts.path;
    this.#follower = parts.follower;
    this.#label = parts.label;
  }

  /** A name of the list as it is shown in messages. */
  label(name: string): string {
    return this.#label(name);
  }

  /** The directory of that name. Belongs to the source, and is good until the next call. */
  directory(name: string): DirectoryHandle {
    if (name === this.#lastName) return this.#last;
    const handle = this.#open(name);
    this.#lastName = name;
    this.#last = handle;
    return handle;
  }

  /** The directory in which an entry lies. */
  parent(name: string): DirectoryHandle {
    return this.directory(directoryOf(name));
  }

  /** Follows these names to directories in any case. */
  willFollow(names: readonly string[]): void {
    this.#follower.add(names);
  }

  /** Whether the client may want the entry followed, if it is a symbolic link. */
  mayFollow(name: string): boolean {
    return this.#follower.mayFollow(name);
  }

  /**
   * What stands for a symbolic link that the client wants to have followed; undefined when it is to stay a link.
   * Throws when it leads nowhere, or out of the module.
   */
  followed(name: string, target: string): FileStat | undefined {
    return this.#follower.stat(name, target);
  }

  /**
   * Gives `use` the directory and the name by which to reach an entry that is no directory, and in which no link is
   * left that ought to be followed.
   */
  reach<T>(name: string, use: (directory: DirectoryHandle, leaf: Buffer) => T): T {
    const parent = this.parent(name);
    const leaf = Buffer.from(baseNameOf(name), "latin1");
    if (!this.#leadsOn(name, parent, leaf)) return use(parent, leaf);
    const reached = this.#follower.reach(name);
    try {
      if (reached.leaf === undefined) throw noSuchEntry();
      return use(reached.directory, reached.leaf);
    } finally {
      reached.directory.close();
    }
  }

  /** Whether an entry is a link that may be one to follow. */
  #leadsOn(name: string, parent: DirectoryHandle, leaf: Buffer): boolean {
    if (!this.#follower.mayFollow(name)) return false;
    const stat = parent.lstat(leaf);
    return stat !== undefined && isSymlink(stat);
  }

  /**
   * An entry's extended attributes; good until the next call for a directory.
   *
   * @param isLink - it is in the list as a symbolic link
   */
  attributes(name: string, isLink = false): AttributesOfEntry {
    if (name === ".") return new OpenXattrs(this.#root.fd);
    const directory = this.parent(name);
    const leaf = Buffer.from(baseNameOf(name), "latin1");
    if (!isLink && this.#leadsOn(name, directory, leaf)) return this.#followedAttributes(name);
    return {
      list: () => directory.listXattrs(leaf),
      get: (attribute) => directory.getXattr(leaf, attribute),
    };
  }

  #followedAttributes(name: string): AttributesOfEntry {
    const through = <T>(
      ofLeaf: (d: DirectoryHandle, leaf: Buffer) => T,
      ofSelf: (x: OpenXattrs) => T,
    ): T => {
      const { directory, leaf } = this.#follower.reach(name);
      try {
        return leaf === undefined ? ofSelf(new OpenXattrs(directory.fd)) : ofLeaf(directory, leaf);
      } finally {
        directory.close();
      }
    };
    return {
      list: () =>
        through(
          (d, leaf) => d.listXattrs(leaf),
          (self) => self.list(),
        ),
      get: (attribute) =>
        through(
          (d, leaf) => d.getXattr(leaf, attribute),
          (self) => self.get(attribute),
        ),
    };
  }

  #open(name: string): DirectoryHandle {
    if (name === ".") return this.#root;
    const held = this.#held.get(name);
    if (held !== undefined) {
      this.#held.delete(name);
      this.#held.set(name, held);
      return held;
    }
    const slash = name.lastIndexOf("/");
    const parent = this.#open(directoryOf(name));
    const leaf = Buffer.from(name.slice(slash + 1), "latin1");
    const handle = this.#leadsOn(name, parent, leaf)
      ? this.#openFollowed(name)
      : parent.openDirectory(leaf);
    this.#held.set(name, handle);
    if (this.#held.size > HELD_DIRECTORIES) {
      for (const [oldest, unused] of this.#held) {
        // The way down to this one was just used and stands at the end.
        this.#held.delete(oldest);
        unused.close();
        if (oldest === this.#lastName) {
          this.#lastName = ".";
          this.#last = this.#root;
        }
        break;
      }
    }
    return handle;
  }

  #openFollowed(name: string): DirectoryHandle {
    const { directory, leaf } = this.#follower.reach(name);
    if (leaf === undefined) return directory;
    directory.close();
    throw noSuchEntry();
  }

  /** Closes all handles. */
  close(): void {
    for (const handle of this.#held.values()) handle.close();
    this.#held.clear();
    this.#root.close();
  }
}
