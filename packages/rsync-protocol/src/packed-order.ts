import { type EntryTable, PAGE_BITS, PAGE_ENTRIES, type PackedEntries } from "./entry-table.ts";
import { baseNameOf, directoryOf, isDirectory } from "./file-entry.ts";

/** How the entries of a list are numbered. */
export interface ListOrder {
  /** Places in the order of the indexes. */
  readonly places: Uint32Array;
  /** Places of entries that repeat a name: they keep their index, but must never be asked for. A directory stays rather than a file. */
  readonly dropped: Set<number>;
}

/** Where in the order each directory begins and ends, by its rank: its own entries (one, unless its name comes twice), then files. */
interface Sections {
  readonly own: Uint32Array;
  readonly ownEnd: Uint32Array;
  readonly filesEnd: Uint32Array;
}

/**
 * Orders a packed list as protocol 29 and later do, without making a name of an entry: what is in a directory stands in a row, behind
 * the directory and in front of those in it, so that only names of directories are compared as a whole (see `compareEntries`).
 */
export function orderPacked(packed: PackedEntries, table: EntryTable): ListOrder {
  const ranks = packed.directories.ranks();
  const places = new Uint32Array(packed.length);
  const sections = distribute(packed, ranks, places);
  const { own, ownEnd, filesEnd } = sections;
  const dropped = new Set<number>();
  const order = (a: number, b: number): number => compareLastNames(packed, a, b) || a - b;
  for (let rank = 0; rank < ranks.length; rank++) {
    for (let i = own[rank]! + 1; i < ownEnd[rank]!; i++) {
      dropped.add(places[i]!);
      table.mergeDirectory(places[own[rank]!]!, places[i]!);
    }
    const files = places.subarray(ownEnd[rank], filesEnd[rank]);
    files.sort(order);
    for (let i = 1; i < files.length; i++) {
      if (compareLastNames(packed, files[i - 1]!, files[i]!) === 0) dropped.add(files[i]!);
    }
  }
  dropFilesOfDirectoryNames(packed, ranks, sections, places, dropped);
  return { places, dropped };
}

/** Fills `places` directory by directory; what is in one stays in the order in which it came. */
function distribute(packed: PackedEntries, ranks: Uint32Array, places: Uint32Array): Sections {
  const own = new Uint32Array(ranks.length);
  const ownEnd = new Uint32Array(ranks.length);
  const filesEnd = new Uint32Array(ranks.length);
  for (let place = 0; place < packed.length; place++) {
    const counts = isDirectoryAt(packed, place) ? ownEnd : filesEnd;
    const rank = rankAt(packed, ranks, place);
    counts[rank] = counts[rank]! + 1;
  }
  let next = 0;
  for (let rank = 0; rank < ranks.length; rank++) {
    const files = next + ownEnd[rank]!;
    const end = files + filesEnd[rank]!;
    own[rank] = next;
    ownEnd[rank] = next;
    filesEnd[rank] = files;
    next = end;
  }
  for (let place = 0; place < packed.length; place++) {
    const ends = isDirectoryAt(packed, place) ? ownEnd : filesEnd;
    const rank = rankAt(packed, ranks, place);
    places[ends[rank]!] = place;
    ends[rank] = ends[rank]! + 1;
  }
  return { own, ownEnd, filesEnd };
}

function dropFilesOfDirectoryNames(
  packed: PackedEntries,
  ranks: Uint32Array,
  { own, ownEnd, filesEnd }: Sections,
  places: Uint32Array,
  dropped: Set<number>,
): void {
  const { directories, pages } = packed;
  for (let number = 0; number < ranks.length; number++) {
    if (own[ranks[number]!] === ownEnd[ranks[number]!]) continue;
    const name = directories.nameOf(number);
    const around = directories.find(directoryOf(name));
    if (around === undefined || name === ".") continue;
    const wanted = Buffer.from(baseNameOf(name), "latin1");
    const compare = (place: number): number => {
      const page = pages[place >> PAGE_BITS]!;
      const i = place % PAGE_ENTRIES;
      return wanted.compare(page.texts, page.nameStart(i), page.nameEnd(i));
    };
    const end = filesEnd[ranks[around]!]!;
    let low = ownEnd[ranks[around]!]!;
    for (let high = end; low < high; ) {
      const middle = (low + high) >> 1;
      if (compare(places[middle]!) > 0) low = middle + 1;
      else high = middle;
    }
    for (; low < end && compare(places[low]!) === 0; low++) dropped.add(places[low]!);
  }
}

function isDirectoryAt({ pages }: PackedEntries, place: number): boolean {
  return isDirectory({ mode: pages[place >> PAGE_BITS]!.modeAt(place % PAGE_ENTRIES) });
}

function rankAt({ pages }: PackedEntries, ranks: Uint32Array, place: number): number {
  return ranks[pages[place >> PAGE_BITS]!.directoryNumberAt(place % PAGE_ENTRIES)]!;
}

/** Compares the last components of two names, byte by byte. */
function compareLastNames({ pages }: PackedEntries, a: number, b: number): number {
  const x = pages[a >> PAGE_BITS]!;
  const y = pages[b >> PAGE_BITS]!;
  let i = x.nameStart(a % PAGE_ENTRIES);
  let j = y.nameStart(b % PAGE_ENTRIES);
  const xLength = x.nameEnd(a % PAGE_ENTRIES) - i;
  const yLength = y.nameEnd(b % PAGE_ENTRIES) - j;
  const { texts: xs } = x;
  const { texts: ys } = y;
  for (const end = i + Math.min(xLength, yLength); i < end; i++, j++) {
    const difference = xs[i]! - ys[j]!;
    if (difference !== 0) return difference;
  }
  return xLength - yLength;
}
