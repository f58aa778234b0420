import {
  baseNameOf,
  directoryOf,
  type FileEntry,
  type FileList,
  IO_ERROR,
  isDirectory,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import type { Session } from "./pull-context.ts";
import type { DeleteTime } from "./pull-options.ts";

/** What is known of the directories of the destination. */
export interface SweptDirectories {
  /** There is such a directory. */
  isHere(name: string): boolean | Promise<boolean>;
  /** It was made by this pull, so that nothing can be in it that has to go. */
  wasCreated(name: string): boolean;
  /** It is not there, and will not be made. */
  isMissing(name: string): boolean;
}

/** Deletes. */
export interface Sweeper {
  /**
   * Removes from the directory `path` all names but those in `keep`.
   * @param delayed - notes them for {@link removeDelayed} instead
   */
  sweep(path: string, keep: ReadonlySet<string>, delayed?: boolean): Promise<void>;
  removeDelayed(): Promise<void>;
}

/**
 * When and where is deleted. During the transfer (also where that is only found then): each directory after it was looked at, before
 * its entries are. Else all of one complete list, before or after everything else.
 */
export class Sweeps {
  readonly #context: Session;
  readonly #directories: SweptDirectories;
  readonly #deletion: Sweeper;
  /** Directories of the list at work that are to be swept when they were looked at, with the names that stay. */
  #waiting: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #toldNoDeletes = false;
  readonly #when: DeleteTime | undefined;

  constructor(context: Session, directories: SweptDirectories, deletion: Sweeper) {
    this.#context = context;
    // Who only lists deletes nothing.
    this.#when = context.options.onListed ? undefined : deleteTime(context.options);
    this.#directories = directories;
    this.#deletion = deletion;
  }

  /** A list is begun: its directory was looked at with the list above, unless it is the first list. */
  begin(list: FileList): Promise<void> | undefined {
    if (this.#when === undefined || this.#when === "after" || !this.#mayDelete()) return undefined;
    if (this.#when === "before") return this.#sweepAll(list);
    if (list.directory) return this.#sweepContent(list, list.directory);
    this.#waiting = namesByDirectory(list, this.#context.terms.format.incRecurse);
    return undefined;
  }

  /** A directory was looked at: the sweep of it, where one is due. */
  directory(name: string): Promise<void> | undefined {
    const keep = this.#waiting.get(name);
    if (!keep || !this.#mayHaveMore(name) || !this.#mayDelete()) return undefined;
    return this.#deletion.sweep(name, keep, this.#when === "delay");
  }

  /** Everything else is done: what is deleted only now. */
  async end(list: FileList): Promise<void> {
    if (this.#when === "delay") await this.#deletion.removeDelayed();
    if (this.#when === "after" && this.#mayDelete()) await this.#sweepAll(list);
  }

  /** Sweeps each directory of a complete list that is here. */
  async #sweepAll(list: FileList): Promise<void> {
    for (const [name, keep] of namesByDirectory(list, false)) {
      if (await this.#directories.isHere(name)) await this.#deletion.sweep(name, keep);
    }
  }

  /** Whether it was there before: nothing can be in a directory that was just made, or was not. */
  #mayHaveMore(name: string): boolean {
    return !this.#directories.wasCreated(name) && !this.#directories.isMissing(name);
  }

  /** Whether to delete; not after the sender could not read something, since then its lists have gaps. */
  #mayDelete(): boolean {
    const { options, tally } = this.#context;
    if (!(tally.ioError & IO_ERROR.GENERAL) || options.ignoreErrors) return true;
    if (!this.#toldNoDeletes) {
      const text = "IO error encountered -- skipping file deletion";
      tally.message({ level: "info", text, fromPeer: false });
    }
    this.#toldNoDeletes = true;
    return false;
  }

  /** Deletes what is not in the list of a directory that was looked at with the list above. */
  async #sweepContent({ sorted }: FileList, directory: FileEntry): Promise<void> {
    const { name } = directory;
    // Of a directory on the way to something (--relative) the list is not complete.
    if (!directory.hasContent || !this.#mayHaveMore(name)) return;
    const keep = new Set(sorted.map((entry) => baseNameOf(entry.name)));
    await this.#deletion.sweep(name, keep, this.#when === "delay");
  }
}

/** The names in each directory of a list whose content it holds: with incremental recursion that is the root alone. */
function namesByDirectory(
  list: FileList,
  rootOnly: boolean,
): ReadonlyMap<string, ReadonlySet<string>> {
  const names = new Map<string, Set<string>>();
  for (const entry of list.sorted) {
    if (!isDirectory(entry) || !entry.hasContent || names.has(entry.name)) continue;
    if (!rootOnly || entry.name === ".") names.set(entry.name, new Set());
  }
  for (const entry of list.sorted) {
    // One that was dropped for another of its name does no harm; one that is not wanted (-m) must not stay.
    if (list.dropped.has(entry)) continue;
    const { name } = entry;
    if (name !== ".") names.get(directoryOf(name))?.add(baseNameOf(name));
  }
  return names;
}
