import {
  baseNameOf,
  directoryOf,
  EXIT,
  INLINE_BYTES,
  isListedValue,
  type ListedXattr,
  RsyncError,
  type XattrSet,
} from "@dialhome/rsync-protocol";
import { type DestinationTree, nameBytes } from "./destination-tree.ts";
import type { Privilege } from "./privilege.ts";

/** Longest value that Linux takes (XATTR_SIZE_MAX, linux/limits.h), bytes: longer ones are not asked for. */
export const VALUE_BYTES = 65_536;
/** Values that came are kept up to this many bytes together; of more, only where they lie in the destination. */
const KEPT_BYTES = 16 * 1024 * 1024;
/** Beyond this nothing more is kept: entries that cannot be made would otherwise fill the memory with their values. Bytes. */
const MOST_KEPT_BYTES = 4 * KEPT_BYTES;
/** The long values of one set together, bytes: a reply brings them at once. The file systems of Linux hold far less. */
const SET_BYTES = 64 * 1024 * 1024;

const USER = "user.";
const SYSTEM = "system.";
/** rsync's own hierarchy: records of `--fake-super` begin with `%`, other names are of namespaces that a user may not write. */
const RSYNC = "user.rsync.";
const RECORD = `${RSYNC}%`;

/** One attribute that an entry is to have here. */
export interface WantedXattr {
  /** Its place in the set as it was sent, from 1: a long value is asked for by it. */
  readonly number: number;
  /** Its name here. */
  readonly name: string;
  readonly listed: ListedXattr;
}

/** Whether an attribute that was listed is one to keep here. */
export function isKept(name: string, privilege: Privilege): boolean {
  if (name.startsWith(SYSTEM) || name.startsWith(RECORD)) return false;
  return privilege !== "user" || name.startsWith(USER);
}

/** What became of a long value that was asked for. */
type Known =
  | { readonly is: "asked" }
  | { readonly is: "here"; readonly value: Buffer }
  /** It came, and there was no room for it. */
  | { readonly is: "dropped" }
  /** In the attribute `name` of the entry `path`. */
  | { readonly is: "placed"; readonly path: string; readonly name: string };

/**
 * The sets of attributes that a session lists, and their long values. A sender answers for each value of a set only once, though
 * many entries may share the set; so what came is kept, or found again where it was written.
 */
export class XattrValues {
  readonly #privilege: Privilege;
  readonly #tree: DestinationTree;
  readonly #rules: ((name: string) => boolean) | undefined;
  readonly #views = new WeakMap<XattrSet, readonly WantedXattr[]>();
  readonly #known = new WeakMap<XattrSet, Map<number, Known>>();
  #keptBytes = 0;

  /** @param isExcluded - filter rules about attributes, which also stand in for leaving out `system.*` */
  constructor(privilege: Privilege, tree: DestinationTree, isExcluded?: (name: string) => boolean) {
    this.#privilege = privilege;
    this.#tree = tree;
    this.#rules = isExcluded;
  }

  /** Whether an attribute that a file here has is ours to compare and to remove. */
  isOurs(name: string): boolean {
    return !this.#isLeftOut(name) && (this.#privilege !== "fake" || !name.startsWith(RECORD));
  }

  /** A set as it is to be here, sorted by name. */
  wanted(set: XattrSet): readonly WantedXattr[] {
    const seen = this.#views.get(set);
    if (seen) return seen;
    const view: WantedXattr[] = [];
    set.forEach((listed, index) => {
      const name = this.#nameHere(listed.name);
      if (name !== undefined) view.push({ number: index + 1, name, listed });
    });
    view.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#views.set(set, view);
    return view;
  }

  #nameHere(name: string): string | undefined {
    if (name.startsWith(RECORD) || this.#isLeftOut(name)) return undefined;
    return this.#privilege === "fake" && !name.startsWith(USER) ? RSYNC + name : name;
  }

  #isLeftOut(name: string): boolean {
    if (this.#privilege === "user" && !name.startsWith(USER)) return true;
    return this.#rules ? this.#rules(name) : name.startsWith(SYSTEM);
  }

  /** Whether a value travels apart from the list, and can be had here at all. */
  static isApart({ listed }: WantedXattr): boolean {
    return listed.length > INLINE_BYTES && listed.length <= VALUE_BYTES;
  }

  /**
   * Which of `needed` must be asked for; the others were asked for before. They count as asked for from now on.
   * @throws RsyncError `ERR_RSYNC_LIMIT` when they are over {@link SET_BYTES}
   */
  ask(set: XattrSet, needed: readonly number[]): number[] {
    const known = this.#known.get(set) ?? new Map<number, Known>();
    this.#known.set(set, known);
    const numbers = needed.filter((number) => !known.has(number)).toSorted((a, b) => a - b);
    let bytes = 0;
    for (const number of numbers) {
      bytes += set[number - 1]?.length ?? 0;
      known.set(number, { is: "asked" });
    }
    if (bytes > SET_BYTES) {
      const message = `extended attributes of ${bytes} bytes on one entry, limit ${SET_BYTES}`;
      throw new RsyncError("ERR_RSYNC_LIMIT", message, { exitCode: EXIT.MEMORY });
    }
    return numbers;
  }

  /** Numbers that were asked for and have not come, ascending: a reply for any entry with this set may bring them. */
  outstanding(set: XattrSet): number[] {
    const numbers: number[] = [];
    for (const [number, { is }] of this.#known.get(set) ?? [])
      if (is === "asked") numbers.push(number);
    return numbers.toSorted((a, b) => a - b);
  }

  /** Whether all of these can be had without waiting for a reply. */
  areHere(set: XattrSet, needed: readonly number[]): boolean {
    const known = this.#known.get(set);
    return needed.every((number) => (known?.get(number)?.is ?? "asked") !== "asked");
  }

  /** A value came. */
  accept(set: XattrSet, number: number, value: Buffer): void {
    if (this.#keptBytes + value.length > MOST_KEPT_BYTES) {
      this.#known.get(set)?.set(number, { is: "dropped" });
      return;
    }
    this.#known.get(set)?.set(number, { is: "here", value });
    this.#keptBytes += value.length;
  }

  /** A long value; undefined when it did not come, or cannot be found again. */
  value(set: XattrSet, { number, listed }: WantedXattr): Buffer | undefined {
    const known = this.#known.get(set)?.get(number);
    if (known?.is === "here") return known.value;
    if (known?.is !== "placed") return undefined;
    try {
      const directory = this.#tree.directory(directoryOf(known.path));
      const name = known.path === "." ? undefined : nameBytes(baseNameOf(known.path));
      if (!name) return undefined;
      const value = directory.getXattr(name, known.name);
      return value && isListedValue(listed, value) ? value : undefined;
    } catch {
      // It is gone since: whoever needs it is told that it is missing.
      return undefined;
    }
  }

  /** An entry has got all of its values: where there are too many in memory, those of its set are read from it from now on. */
  placed(set: XattrSet, path: string): void {
    if (this.#keptBytes <= KEPT_BYTES || path === ".") return;
    const known = this.#known.get(set);
    if (!known) return;
    for (const { number, name, listed } of this.wanted(set)) {
      const value = known.get(number);
      if (value?.is !== "here" || !isListedValue(listed, value.value)) continue;
      known.set(number, { is: "placed", path, name });
      this.#keptBytes -= value.value.length;
    }
  }
}
