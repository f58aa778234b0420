import {
  baseNameOf,
  directoryOf,
  type FileEntry,
  type FileList,
  IO_ERROR,
  isDirectory,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import type { Deletion } from "./deletion.ts";
import type { DirectoryWork } from "./directory-work.ts";
import type { PullContext } from "./pull-context.ts";
import type { DeleteTime } from "./pull-options.ts";

/**
 * When and where is deleted. During the transfer (also where that is only found then): each directory after it was looked at, before
 * its entries are. Else all of one complete list, before or after everything else.
 */
export class Sweeps {
  readonly #context: PullContext;
  readonly #directories: DirectoryWork;
  readonly #deletion: Deletion;
  /** Directories of the list at work that are to be swept when they were looked at, with the names that stay. */
  #waiting: ReadonlyMap<string, ReadonlySet<string>> = new Map();
  #toldNoDeletes = false;
  readonly #when: DeleteTime | undefined;

  constructor(context: PullContext, directories: DirectoryWork, deletion: Deletion) {
    this.#context = context;
    this.#when = deleteTime(context.options);
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
    if (!keep || !this.#isHere(name) || !this.#mayDelete()) return undefined;
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
      if (this.#context.tree.has(name)) await this.#deletion.sweep(name, keep);
    }
  }

  /** Whether it was there before: nothing can be in a directory that was just made, or was not. */
  #isHere(name: string): boolean {
    return !this.#directories.wasCreated(name) && !this.#directories.isMissing(name);
  }

  /** Whether to delete; not after the sender could not read something, since then its lists have gaps. */
  #mayDelete(): boolean {
    const { options, tally } = this.#context;
    if (!(tally.ioError & IO_ERROR.GENERAL) || options.ignoreErrors) return true;
    if (!this.#toldNoDeletes) {
      const text = "the sender met an I/O error: nothing more is deleted";
      tally.message({ level: "warning", text, fromPeer: false });
    }
    this.#toldNoDeletes = true;
    return false;
  }

  /** Deletes what is not in the list of a directory that was looked at with the list above. */
  async #sweepContent({ sorted }: FileList, directory: FileEntry): Promise<void> {
    const { name } = directory;
    // Of a directory on the way to something (--relative) the list is not complete.
    if (!directory.hasContent || !this.#isHere(name)) return;
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
