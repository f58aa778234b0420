import { DirectoryNames } from "./directory-names.ts";
import { EntryPage } from "./entry-page.ts";
import { directoryOf, type FileEntry, isDirectory } from "./file-entry.ts";

/** log2 of {@link PAGE_ENTRIES}. */
export const PAGE_BITS = 9;

/** So many entries are kept as they are, which is more than most directories have; of a longer list as many at a time are packed. */
export const PAGE_ENTRIES: number = 1 << PAGE_BITS;

/** A list of which nothing is kept otherwise. */
export interface PackedEntries {
  /** Of {@link PAGE_ENTRIES} each; the last may be shorter. */
  readonly pages: readonly EntryPage[];
  readonly directories: DirectoryNames;
  readonly length: number;
}

/**
 * The entries of one list, each at its place: in the order in which they came, which hard links refer to. Those of a long list are
 * packed (see `EntryPage`), and made anew for whoever asks: two of one place are equal, but not the same object.
 */
export class EntryTable implements Iterable<FileEntry> {
  /** What was not packed. */
  #loose: FileEntry[] = [];
  readonly #pages: EntryPage[] = [];
  /** Entries in pages. */
  #packed = 0;
  readonly #directories = new DirectoryNames();

  get length(): number {
    return this.#packed + this.#loose.length;
  }

  push(entry: FileEntry): void {
    if (this.#loose.length === PAGE_ENTRIES) this.#pack();
    this.#loose.push(entry);
  }

  at(place: number): FileEntry | undefined {
    if (place >= this.#packed) return this.#loose[place - this.#packed];
    return this.#pageOf(place).entryAt(place % PAGE_ENTRIES);
  }

  modeAt(place: number): number {
    if (place >= this.#packed) return this.#looseAt(place).mode;
    return this.#pageOf(place).modeAt(place % PAGE_ENTRIES);
  }

  nameAt(place: number): string {
    if (place >= this.#packed) return this.#looseAt(place).name;
    return this.#pageOf(place).nameAt(place % PAGE_ENTRIES);
  }

  /** The name of the directory that an entry lies in. */
  directoryAt(place: number): string {
    if (place >= this.#packed) return directoryOf(this.#looseAt(place).name);
    const page = this.#pageOf(place);
    const name = this.#directories.nameOf(page.directoryNumberAt(place % PAGE_ENTRIES));
    return isDirectory({ mode: page.modeAt(place % PAGE_ENTRIES) }) ? directoryOf(name) : name;
  }

  /** Of one directory that is in the list twice: one that is on the way to something, and was asked for as well, has content. */
  mergeDirectory(kept: number, repeated: number): void {
    const first = this.at(kept);
    const again = this.at(repeated);
    if (!first || !again) return;
    const isOnTheWay = first.isTopDirectory && !first.hasContent;
    const isTopDirectory = isOnTheWay ? again.isTopDirectory : first.isTopDirectory;
    const merged = { ...first, isTopDirectory, hasContent: first.hasContent || again.hasContent };
    if (kept < this.#packed) this.#pageOf(kept).setDirectory(kept % PAGE_ENTRIES, merged);
    else this.#loose[kept - this.#packed] = merged;
  }

  /** All of them as they are: for a short list, or an order for which a long one is not kept. */
  all(): readonly FileEntry[] {
    return this.#packed === 0 ? this.#loose : [...this];
  }

  /** Packs all, if some are; undefined when none are. Nothing may be added afterwards. */
  packed(): PackedEntries | undefined {
    if (this.#packed === 0) return undefined;
    if (this.#loose.length > 0) this.#pack();
    return { pages: this.#pages, directories: this.#directories, length: this.#packed };
  }

  *[Symbol.iterator](): Generator<FileEntry> {
    for (let place = 0; place < this.#packed; place++) {
      yield this.#pageOf(place).entryAt(place % PAGE_ENTRIES);
    }
    yield* this.#loose;
  }

  #pageOf(place: number): EntryPage {
    return this.#pages[place >> PAGE_BITS]!;
  }

  #looseAt(place: number): FileEntry {
    return this.#loose[place - this.#packed]!;
  }

  #pack(): void {
    this.#pages.push(new EntryPage(this.#loose, this.#directories));
    this.#packed += this.#loose.length;
    this.#loose = [];
  }
}
