import type { FileList } from "@dialhome/rsync-protocol";
import { directoryOf, type FileEntry, isDirectory } from "@dialhome/rsync-protocol";
import type { StoredEntry } from "./destination.ts";
import { contentDirectory } from "./list-progress.ts";
import type { SweptDirectories } from "./sweeps.ts";

/** The directories of a store that a pull is at work in: nothing is stored below one that could not be. */
export class StoreDirectories implements SweptDirectories {
  readonly #find: (name: string) => Promise<StoredEntry | undefined>;
  /** Stored and not finished yet; with whether we made it. */
  readonly #open = new Map<string, boolean>();
  readonly #missing = new Set<string>();

  constructor(find: (name: string) => Promise<StoredEntry | undefined>) {
    this.#find = find;
  }

  /** A directory is stored. */
  enter(name: string, created: boolean): void {
    this.#open.set(name, created);
  }

  /** A directory is not there, and will not be made. */
  leaveOut(name: string): void {
    this.#missing.add(name);
  }

  /** Whether an entry lies in a directory that was left out. */
  isLeftOut(entry: FileEntry): boolean {
    if (entry.name === "." || !this.#missing.has(directoryOf(entry.name))) return false;
    if (isDirectory(entry)) this.#missing.add(entry.name);
    return true;
  }

  isMissing(name: string): boolean {
    return this.#missing.has(name);
  }

  wasCreated(name: string): boolean {
    return this.#open.get(name) === true;
  }

  async isHere(name: string): Promise<boolean> {
    const stored = await this.#find(name);
    return stored !== undefined && isDirectory(stored);
  }

  /** With incremental recursion: nothing more comes into its directory. */
  listFinished(list: FileList): void {
    const directory = contentDirectory(list);
    if (directory) this.#open.delete(directory.name);
  }
}
