import {
  type FileEntry,
  type FileList,
  type FileLists,
  NDX,
  type NdxCodec,
  type Wire,
} from "@dialhome/rsync-protocol";

/** How far one list is. */
export interface ListWork {
  readonly list: FileList;
  /** Entries that were handed out and are not finished. */
  unfinished: number;
  /** The generator has been through all of it. */
  generated: boolean;
}

/**
 * Keeps the books of the lists: which is next for the generator, which are finished, and the NDX_DONE that is sent for each in
 * order. A list may only be told finished when the next one has come, or none will (protocol reference, "phases and the end").
 *
 * Below protocol 30 a sender does not say which files will not come. Then the only list is told as soon as everything in it was
 * asked for: what has not come when the sender answers that will not come, and what failed is asked for again in the next phase.
 */
export class ListProgress {
  readonly #lists: FileLists;
  readonly #wire: Wire;
  readonly #ndx: NdxCodec;
  readonly #onFinished: (work: ListWork) => void;
  readonly #works: ListWork[] = [];
  #nextToGenerate = 0;
  #allListed = false;
  #finishedLists = 0;
  #liveEntries = 0;
  readonly #tellsUnsent: boolean;
  #told = 0;
  #answered = 0;
  #wakers: (() => void)[] = [];

  /** @param tellsUnsent - `ProtocolTraits.tellsUnsent` */
  constructor(
    lists: FileLists,
    wire: Wire,
    ndx: NdxCodec,
    onFinished: (work: ListWork) => void,
    tellsUnsent = true,
  ) {
    this.#tellsUnsent = tellsUnsent;
    this.#lists = lists;
    this.#wire = wire;
    this.#ndx = ndx;
    this.#onFinished = onFinished;
  }

  /** A list has come in. */
  add(list: FileList): void {
    this.#works.push({ list, unfinished: 0, generated: false });
    this.#liveEntries += list.length;
    this.advance();
  }

  /** No more lists will come. */
  endOfLists(): void {
    this.#allListed = true;
    this.advance();
  }

  get allListed(): boolean {
    return this.#allListed;
  }

  /** How often the sender was told DONE, each of which it answers: for a list, or for a phase behind them. */
  get told(): number {
    return this.#told;
  }

  /** Tells the end of a phase behind the lists. */
  tellPhase(): void {
    this.#ndx.write(this.#wire.out, NDX.DONE);
    this.#told++;
  }

  /** The sender has answered a DONE. */
  answered(): void {
    this.#answered++;
    this.wake();
  }

  /**
   * Nothing is to be asked for at the moment. Below protocol 30, where the files of the list are known to have come or to be lost,
   * that ends the phase in which files are asked for once more.
   */
  nothingToAsk(): void {
    if (!this.#tellsUnsent && this.#answered > 0 && this.#told === 1) this.tellPhase();
  }

  /** Whether files may still be asked for. */
  get mayAsk(): boolean {
    return this.#tellsUnsent || this.#told < 2;
  }

  /** Lists that are finished. */
  get finishedLists(): number {
    return this.#finishedLists;
  }

  /** Entries of lists that are not finished. */
  get liveEntries(): number {
    return this.#liveEntries;
  }

  /** The next list for the generator; undefined when there is none yet. */
  takeNext(): ListWork | undefined {
    const work = this.#works[this.#nextToGenerate];
    if (work) this.#nextToGenerate++;
    return work;
  }

  /** Everything has come and is finished. */
  get complete(): boolean {
    return this.#allListed && this.#works.length === 0;
  }

  /** One entry of `work` is finished, well or not. */
  finishEntry(work: ListWork): void {
    work.unfinished--;
    this.advance();
  }

  /** Tells the sender of each list that is finished by now, and wakes whoever waits. */
  advance(): void {
    for (;;) {
      const oldest = this.#works[0];
      if (!oldest?.generated) break;
      if (!this.#tellsUnsent && this.#told === 0) this.tellPhase();
      if (oldest.unfinished > 0) break;
      if (this.#works.length === 1 && !this.#allListed) break;
      this.#onFinished(oldest);
      this.#works.shift();
      this.#liveEntries -= oldest.list.length;
      this.#finishedLists++;
      this.#nextToGenerate--;
      this.#lists.shift();
      if (this.#tellsUnsent) this.tellPhase();
    }
    this.wake();
  }

  /** Wakes whoever waits for {@link changed}. */
  wake(): void {
    const wakers = this.#wakers;
    this.#wakers = [];
    for (const wake of wakers) wake();
  }

  /** Resolves at the next change: a list came, an entry was finished, the session failed. */
  changed(): Promise<void> {
    return new Promise((resolve) => this.#wakers.push(resolve));
  }
}

/** The directory whose content a list is: the one announced, or the root where the first list names it. */
export function contentDirectory(list: FileList): FileEntry | undefined {
  if (list.directory) return list.directory;
  const first = list.at(0);
  return first?.name === "." ? first : undefined;
}
