import { type DirectoryHandle, OpenXattrs } from "@dialhome/posix-fs";
import { baseNameOf, directoryOf, type FileEntry } from "@dialhome/rsync-protocol";
import { HELD_DIRECTORIES } from "./constants.ts";
import type { AttributesOfEntry } from "./entry-metadata.ts";
import type { SourceFilter } from "./source-filter.ts";

/** An entry of a list and where it comes from. */
export interface SourceEntry extends FileEntry {
  readonly source: Source;
}

/**
 * One requested path: a held directory that is the root of its transfer, and what is read below it.
 * Names are those of the list: latin1, relative to the root. No symbolic link is followed.
 */
export class Source {
  /** The entry that was asked for; undefined when it is the content of the root. */
  readonly top: string | undefined;
  readonly #root: DirectoryHandle;
  /** Which entries are left out. */
  readonly filter: SourceFilter;
  readonly #label: (name: string) => string;
  /** Open directories by name, the one used last at the end. */
  readonly #held = new Map<string, DirectoryHandle>();
  #lastName = ".";
  #last: DirectoryHandle;

  /** @param label - how a name of the list is shown in messages */
  constructor(
    root: DirectoryHandle,
    top: string | undefined,
    filter: SourceFilter,
    label: (name: string) => string,
  ) {
    this.#root = root;
    this.#last = root;
    this.top = top;
    this.filter = filter;
    this.#label = label;
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

  /** An entry's extended attributes; good until the next call for a directory. */
  attributes(name: string): AttributesOfEntry {
    if (name === ".") return new OpenXattrs(this.#root.fd);
    const directory = this.parent(name);
    const leaf = Buffer.from(baseNameOf(name), "latin1");
    return {
      list: () => directory.listXattrs(leaf),
      get: (attribute) => directory.getXattr(leaf, attribute),
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
    const handle = parent.openDirectory(Buffer.from(name.slice(slash + 1), "latin1"));
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

  /** Closes all handles. */
  close(): void {
    for (const handle of this.#held.values()) handle.close();
    this.#held.clear();
    this.#root.close();
  }
}
