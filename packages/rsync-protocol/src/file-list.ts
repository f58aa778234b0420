import { LIMITS, NDX } from "./constants.ts";
import { compareEntries, type EntryOrder, type Placed } from "./entry-order.ts";
import { packedBytes } from "./entry-page.ts";
import { EntryTable, PAGE_ENTRIES } from "./entry-table.ts";
import { protocolError, RsyncError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";
import { entryBytes, type FileEntry, isDirectory } from "./file-entry.ts";
import { type ListOrder, orderPacked } from "./packed-order.ts";

/** One list: the whole transfer, or the content of one directory. */
export class FileList {
  /** The index of its first entry. `start − 1` stands for the directory whose content it is. */
  readonly start: number;
  /** The directory whose content it is; undefined for the first list. */
  readonly directory: FileEntry | undefined;
  /** Entries in the order of the wire, which hard links refer to. */
  readonly wire: EntryTable = new EntryTable();
  /** Places in {@link wire} of the entries that came with a slash in front of their names. */
  readonly rooted: number[] = [];
  /** Of {@link FileLists.hold}: what is free again when this list goes. */
  passingBytes = 0;

  readonly #order: EntryOrder;
  #places: Uint32Array = new Uint32Array(0);
  #dropped = new Set<number>();

  constructor(start: number, directory: FileEntry | undefined, order: EntryOrder = compareEntries) {
    this.start = start;
    this.#order = order;
    this.directory = directory;
  }

  /** Sorts and numbers the entries, and finds names that come twice: a directory stays rather than a file. */
  complete(): void {
    const { wire } = this;
    // The slash in front decides where only some have it: it is taken away after the sorting (flist.c flist_sort_and_clean).
    const isMixed = this.rooted.length > 0 && this.rooted.length < wire.length;
    const packed = this.#order === compareEntries && !isMixed ? wire.packed() : undefined;
    const order = packed ? orderPacked(packed, wire) : this.#ordered(isMixed);
    this.#places = order.places;
    this.#dropped = order.dropped;
  }

  #ordered(isMixed: boolean): ListOrder {
    const { wire } = this;
    const parent = this.directory?.name;
    const entries = wire.all();
    const placed = isMixed ? withSlashes(entries, this.rooted) : entries;
    // Within one directory the names below it decide.
    const shared = isMixed || parent === undefined || parent === "." ? 0 : parent.length + 1;
    const order = this.#order;
    const places = Uint32Array.from(placed, (_, place) => place);
    places.sort((a, b) => order(placed[a]!, placed[b]!, shared) || a - b);
    return { places, dropped: repeated(wire, entries, places) };
  }

  /** The entry with the index `start + i`, once {@link complete} was called. */
  at(i: number): FileEntry | undefined {
    const place = this.#places[i];
    return place === undefined ? undefined : this.wire.at(place);
  }

  /** Where the entry with the index `start + i` is in {@link wire}. */
  placeAt(i: number): number {
    return this.#places[i] ?? -1;
  }

  /** Entries that have an index: all, once {@link complete} was called. */
  get length(): number {
    return this.#places.length;
  }

  /** Behind the last index. */
  get end(): number {
    return this.start + this.#places.length;
  }

  /** Whether the entry with the index `start + i` keeps that, but must not be asked for: it repeats a name, or was dropped. */
  isDropped(i: number): boolean {
    return this.#dropped.size > 0 && this.#dropped.has(this.placeAt(i));
  }

  /** Takes an entry out, by its place in {@link wire}; once {@link complete} was called. */
  drop(place: number): void {
    this.#dropped.add(place);
  }
}

/** Places of the entries that repeat a name. */
function repeated(
  wire: EntryTable,
  entries: readonly FileEntry[],
  places: Uint32Array,
): Set<number> {
  const directories = new Map<string, number>();
  for (const place of places) {
    const entry = entries[place]!;
    if (isDirectory(entry) && !directories.has(entry.name)) directories.set(entry.name, place);
  }
  const dropped = new Set<number>();
  let previous = "";
  for (const place of places) {
    const entry = entries[place]!;
    // Most lists of an incremental transfer have none, and a name costs its hash.
    const directory = directories.size > 0 ? directories.get(entry.name) : undefined;
    // Two of one name and kind have one key, so they are neighbours.
    if (directory === undefined ? entry.name === previous : directory !== place) {
      dropped.add(place);
      if (directory !== undefined && isDirectory(entry)) wire.mergeDirectory(directory, place);
    }
    previous = entry.name;
  }
  return dropped;
}

/** What places each entry, with the slash that some came with. */
function withSlashes(entries: readonly FileEntry[], rooted: readonly number[]): Placed[] {
  const placed: Placed[] = [...entries];
  for (const number of rooted) {
    const { name, mode } = entries[number]!;
    // The root itself stands before what is in it.
    placed[number] = name === "." ? { name: "/", mode: 0 } : { name: `/${name}`, mode };
  }
  return placed;
}

/** All lists of a session, on either side: numbering, the directories that may still be listed, and what is still alive. */
export class FileLists {
  readonly #incRecurse: boolean;
  readonly #live: FileList[] = [];
  /** Every directory ever listed, in the order that sub-lists refer to; undefined once its content has come. */
  readonly #directories: (FileEntry | undefined)[] = [];
  readonly #limitBytes: number;
  #next: number;
  #count = 0;
  #total = 0;
  #heldBytes = 0;
  readonly #order: EntryOrder;

  /**
   * @param limitBytes - for {@link hold}; at most {@link LIMITS.listBytes}
   * @param order - {@link entryOrderOf} the protocol
   */
  constructor(
    incRecurse: boolean,
    limitBytes: number = LIMITS.listBytes,
    order: EntryOrder = compareEntries,
  ) {
    this.#order = order;
    this.#incRecurse = incRecurse;
    this.#limitBytes = Math.min(limitBytes, LIMITS.listBytes);
    this.#next = incRecurse ? 1 : 0;
  }

  /** Begins the list of the content of `directory`; without one, the first. */
  begin(directory?: FileEntry): FileList {
    return new FileList(this.#next, directory, this.#order);
  }

  /** Counts an entry against {@link LIMITS.entries}. */
  countEntry(): void {
    this.#total++;
    if (this.#total > LIMITS.entries) {
      throw new RsyncError("ERR_RSYNC_LIMIT", `more than ${LIMITS.entries} entries`);
    }
  }

  /**
   * Counts an entry that a peer has sent against {@link LIMITS.entries}, and its memory against the limit of these lists. Most of
   * that is free again when the list goes; directories wait for their content, and hard link groups for further members.
   * @param sharedBytes - what came with it and stays for the session: sets of attributes, ACLs
   * @throws RsyncError `ERR_RSYNC_LIMIT`, exit code 22
   */
  hold(list: FileList, entry: FileEntry, sharedBytes = 0): void {
    this.countEntry();
    const isPassing = !isDirectory(entry) && entry.hardLinkGroup < 0;
    // The first entries of a list are counted as if it ended with them.
    const isPacked = isPassing && list.wire.length >= PAGE_ENTRIES;
    const bytes = isPacked ? packedBytes(entry) : entryBytes(entry);
    this.#heldBytes += bytes + sharedBytes;
    if (isPassing) list.passingBytes += bytes;
    if (this.#heldBytes > this.#limitBytes) {
      throw new RsyncError(
        "ERR_RSYNC_LIMIT",
        `file lists of more than ${Math.floor(this.#limitBytes / 0x10_0000)} MiB at a time, after ${this.#total} entries`,
        { exitCode: EXIT.MEMORY },
      );
    }
  }

  /** Sorts `list` and takes it among the live ones. */
  add(list: FileList): void {
    list.complete();
    if (this.#incRecurse) this.#addDirectories(list);
    this.#live.push(list);
    this.#count++;
    this.#next = list.end + (this.#incRecurse ? 1 : 0);
  }

  #addDirectories(list: FileList): void {
    for (let i = 0; i < list.length; i++) {
      const place = list.placeAt(i);
      if (!isDirectory({ mode: list.wire.modeAt(place) })) continue;
      // One that was dropped keeps its number, but must not be listed.
      this.#directories.push(list.isDropped(i) ? undefined : list.wire.at(place));
    }
  }

  /**
   * The directory that a sub-list header (`ndx` ≤ −101) announces; each can be announced once.
   * @throws RsyncError when there is no such directory, or its content has come already.
   */
  takeAnnounced(ndx: number): FileEntry {
    const index = NDX.FLIST_OFFSET - ndx;
    const directory = this.#directories[index];
    // The content of the root came with the first list.
    if (!this.#incRecurse || !directory || directory.name === ".") {
      throw protocolError(
        `file list announced for directory ${index}, which is not waiting for one`,
        EXIT.PROTOCOL,
      );
    }
    this.#directories[index] = undefined;
    this.#heldBytes -= entryBytes(directory);
    return directory;
  }

  /** The ndx that announces the content of directory number `index`. */
  static announcement(index: number): number {
    return NDX.FLIST_OFFSET - index;
  }

  /** Directories listed so far: the number that the next one gets. */
  get directoryCount(): number {
    return this.#directories.length;
  }

  /** Lists so far, also those that were let go. */
  get count(): number {
    return this.#count;
  }

  /** Entries so far. */
  get total(): number {
    return this.#total;
  }

  /** Lists that were not let go yet, oldest first. */
  get live(): readonly FileList[] {
    return this.#live;
  }

  /** Lets the oldest list go. */
  shift(): FileList | undefined {
    const list = this.#live.shift();
    this.#heldBytes -= list?.passingBytes ?? 0;
    return list;
  }

  /** The live list that `ndx` lies in; its directory's own index (`start − 1`) is taken as part of it. */
  listOf(ndx: number): FileList | undefined {
    let low = 0;
    let high = this.#live.length - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const list = this.#live[middle]!;
      if (ndx < list.start - 1) high = middle - 1;
      else if (ndx >= list.end) low = middle + 1;
      else return list;
    }
    return undefined;
  }

  /** The entry with that index in a live list; undefined for what is not there or was dropped. */
  find(ndx: number): FileEntry | undefined {
    const list = this.listOf(ndx);
    if (!list) return undefined;
    if (ndx === list.start - 1) return list.directory;
    return list.isDropped(ndx - list.start) ? undefined : list.at(ndx - list.start);
  }
}

/** Throws unless every entry of a sub-list is a direct child of the directory that was announced. */
export function assertChildren({ directory, wire }: FileList): void {
  const parent = directory?.name ?? ".";
  for (let place = 0; place < wire.length; place++) {
    const isRoot = parent === "." && wire.nameAt(place) === ".";
    if (wire.directoryAt(place) === parent && !isRoot) continue;
    const name = wire.nameAt(place);
    throw new RsyncError(
      "ERR_RSYNC_UNSAFE_PATH",
      `"${name}" was sent as content of the directory "${parent}"`,
      { path: name },
    );
  }
}
