import { baseNameOf, type FileEntry, type FileList, IO_ERROR } from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import { ListedNames } from "./listed-names.ts";
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
  #waiting: ListedNames | undefined;
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
    this.#waiting = new ListedNames(list, this.#context.terms.format.incRecurse);
    return undefined;
  }

  /** A directory was looked at: the sweep of it, where one is due. */
  directory(name: string): Promise<void> | undefined {
    if (!this.#waiting?.has(name) || !this.#mayHaveMore(name) || !this.#mayDelete()) {
      return undefined;
    }
    const keep = this.#waiting.of(name);
    return this.#deletion.sweep(name, keep, this.#when === "delay");
  }

  /** Everything else is done: what is deleted only now. */
  async end(list: FileList): Promise<void> {
    if (this.#when === "delay") await this.#deletion.removeDelayed();
    if (this.#when === "after" && this.#mayDelete()) await this.#sweepAll(list);
  }

  /** Sweeps each directory of a complete list that is here. */
  async #sweepAll(list: FileList): Promise<void> {
    const names = new ListedNames(list, false);
    for (const name of names.directories()) {
      if (await this.#directories.isHere(name)) await this.#deletion.sweep(name, names.of(name));
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
  async #sweepContent(list: FileList, directory: FileEntry): Promise<void> {
    const { name } = directory;
    // Of a directory on the way to something (--relative) the list is not complete.
    if (!directory.hasContent || !this.#mayHaveMore(name)) return;
    const keep = new Set<string>();
    for (let place = 0; place < list.wire.length; place++) {
      keep.add(baseNameOf(list.wire.nameAt(place)));
    }
    await this.#deletion.sweep(name, keep, this.#when === "delay");
  }
}
