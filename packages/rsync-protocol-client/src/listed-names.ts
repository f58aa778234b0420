import { baseNameOf, type FileList, isDirectory } from "@dialhome/rsync-protocol";

/**
 * The names in each directory of a list whose content it holds. Those of one directory are made when they are asked for: together they
 * would take more memory than the list.
 */
export class ListedNames {
  readonly #list: FileList;
  /** By directory, in the order of the list: the indexes of what is in it. */
  readonly #content = new Map<string, number[]>();

  /** @param rootOnly - with incremental recursion, where the content of every other directory comes in a list of its own */
  constructor(list: FileList, rootOnly: boolean) {
    this.#list = list;
    const { wire } = list;
    for (let i = 0; i < list.length; i++) {
      if (!isDirectory({ mode: wire.modeAt(list.placeAt(i)) })) continue;
      const entry = list.at(i);
      if (!entry?.hasContent || (rootOnly && entry.name !== ".")) continue;
      this.#content.set(entry.name, []);
    }
    for (let i = 0; i < list.length; i++) {
      // One that was dropped for another of its name does no harm; one that is not wanted (-m) must not stay.
      if (list.isDropped(i)) continue;
      const place = list.placeAt(i);
      const around = wire.directoryAt(place);
      // The root is in no directory.
      if (around === "." && wire.nameAt(place) === ".") continue;
      this.#content.get(around)?.push(i);
    }
  }

  directories(): Iterable<string> {
    return this.#content.keys();
  }

  /** Whether the list holds the content of a directory. */
  has(directory: string): boolean {
    return this.#content.has(directory);
  }

  /** None for a directory whose content the list does not hold. */
  of(directory: string): ReadonlySet<string> {
    const { wire } = this.#list;
    const names = new Set<string>();
    for (const i of this.#content.get(directory) ?? []) {
      names.add(baseNameOf(wire.nameAt(this.#list.placeAt(i))));
    }
    return names;
  }
}
