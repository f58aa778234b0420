import { isDirectory } from "@dialhome/posix-fs";
import {
  entryOrderOf,
  type FileEntry,
  type FileList,
  FileListEncoder,
  FileLists,
  IO_ERROR,
  NDX,
  type NdxCodec,
  TAG,
} from "@dialhome/rsync-protocol";
import { LOOK_AHEAD_ENTRIES, LOOK_AHEAD_ENTRIES_FULL } from "./constants.ts";
import { DirectoryScan } from "./directory-scan.ts";
import { RequestedEntries } from "./requested-entries.ts";
import type { Session } from "./session.ts";
import type { Source, SourceEntry } from "./source.ts";
import type { SourceOpener, SourceRequest } from "./sources.ts";

/** A directory whose own list is still to be sent. */
interface Waiting {
  /** With several sources there may be more than one of its name: what is in them goes into one list. */
  readonly entries: SourceEntry[];
  /** Its number among all directories. */
  readonly index: number;
}

/**
 * Scans and sends the file lists: all in one, or a directory at a time, depth first, a little ahead of
 * what the client works on.
 */
export class ListSender {
  readonly lists: FileLists;
  readonly #session: Session;
  readonly #sources: SourceOpener;
  readonly #paths: readonly string[];
  readonly #ndx: NdxCodec;
  readonly #encoder: FileListEncoder;
  readonly #scan: DirectoryScan;
  readonly #requested: RequestedEntries;
  /** The next one is at the end. */
  readonly #waiting: Waiting[] = [];
  #isComplete = false;

  /** @param paths - what was asked for */
  constructor(session: Session, sources: SourceOpener, paths: readonly string[], ndx: NdxCodec) {
    this.#session = session;
    this.#sources = sources;
    this.#paths = paths;
    this.#ndx = ndx;
    const { incRecurse, protocol } = session.format;
    this.lists = new FileLists(incRecurse, undefined, entryOrderOf(protocol));
    this.#encoder = new FileListEncoder(session.format, session.names);
    this.#scan = new DirectoryScan(session, this.lists, (list, entry) => this.#write(list, entry));
    this.#requested = new RequestedEntries(session, this.#scan);
  }

  /** All lists are on their way. */
  get isComplete(): boolean {
    return this.#isComplete;
  }

  /** Sum of the sizes of all files and links so far, in bytes. */
  get totalSize(): number {
    return this.#scan.totalSize;
  }

  /** Sends the first list, which is the only one without incremental recursion. */
  async sendFirst(): Promise<void> {
    const { format, wire, pace, traits, report, rules } = this.#session;
    const list = this.lists.begin();
    for (const path of this.#paths) {
      const request = this.#sources.open(path);
      if (request !== undefined) await this.#sendSource(request, list);
      if (pace.over) await pace.rest();
    }
    this.#finish(list);
    this.#encoder.writeIdLists(wire.out);
    if (traits.endsListWithIoError) {
      wire.out.int(rules.ignoreErrors ? 0 : report.ioError & IO_ERROR.MASK);
    }
    if (!format.incRecurse) this.#isComplete = true;
    else this.#announceEnd();
    wire.flush();
    this.#tellIoError();
    this.#session.log("debug", "first-list", { entries: this.lists.total });
  }

  /** Sends further lists while too little is ahead of the list that `current` is an index in. */
  async sendAhead(current: number): Promise<void> {
    if (this.#isComplete || this.#entriesAhead(current) >= LOOK_AHEAD_ENTRIES) return;
    while (!this.#isComplete && this.#entriesAhead(current) < LOOK_AHEAD_ENTRIES_FULL) {
      await this.#sendNext();
    }
  }

  async #sendSource(request: SourceRequest, list: FileList): Promise<void> {
    const { incRecurse } = this.#session.format;
    const top = await this.#requested.add(request, list);
    if (top === undefined || !isDirectory(top) || !top.hasContent) return;
    // With incremental recursion a directory that was named has a list of its own, `.` has not.
    if (incRecurse && request.top !== undefined) return;
    const todo: SourceEntry[] = [top];
    for (let entry = todo.pop(); entry !== undefined; entry = todo.pop()) {
      const inside = await this.#scan.content(request.source, entry.name, list);
      if (!incRecurse) todo.push(...inside.toReversed());
    }
  }

  async #sendNext(): Promise<void> {
    const { wire } = this.#session;
    const next = this.#waiting.pop();
    if (next === undefined) throw new Error("no directory is waiting to be listed");
    const { entries, index } = next;
    const announcement = NDX.FLIST_OFFSET - index;
    const list = this.lists.begin(this.lists.takeAnnounced(announcement));
    this.#ndx.write(wire.out, announcement);
    const scanned = new Set<Source>();
    for (const entry of entries) {
      const { source } = entry;
      // One that was found and named as well is one directory.
      if (entry.hasContent && !scanned.has(source)) {
        scanned.add(source);
        await this.#scan.content(source, entry.name, list);
      }
      await this.#requested.addWaiting(entry, list);
    }
    this.#finish(list);
    this.#announceEnd();
    wire.pushFull();
    this.#tellIoError();
  }

  #write(list: FileList, entry: SourceEntry): void {
    const { wire, progress } = this.#session;
    this.#encoder.write(wire.out, list, entry);
    list.wire.push(entry);
    progress.entries++;
    wire.pushFull();
  }

  /** Ends a list, numbers it, and remembers which of its directories have one to come. */
  #finish(list: FileList): void {
    const { wire, report, rules, format } = this.#session;
    const before = this.lists.directoryCount;
    this.lists.add(list);
    this.#encoder.writeEnd(wire.out, rules.ignoreErrors ? 0 : report.ioError);
    if (!format.incRecurse) return;
    const found: Waiting[] = [];
    let index = before;
    for (let i = 0; i < list.length; i++) {
      if (!isDirectory({ mode: list.wire.modeAt(list.placeAt(i)) })) continue;
      const entry = list.at(i);
      if (!entry) continue;
      if (entry.name === ".") {
        // What is in it stands beside it.
      } else if (list.isDropped(i)) {
        // Those of one name are neighbours, and the first of them stays.
        found.at(-1)?.entries.push(sourceEntry(entry));
      } else {
        // Also one that is not entered: its client expects a list, if an empty one.
        found.push({ entries: [sourceEntry(entry)], index });
      }
      index++;
    }
    this.#waiting.push(...found.toReversed());
  }

  /** Tells the client that no list follows, as soon as that is known. */
  #announceEnd(): void {
    if (this.#waiting.length > 0) return;
    this.#ndx.write(this.#session.wire.out, NDX.FLIST_EOF);
    this.#isComplete = true;
  }

  /** Protocol 30 says it once more in a message. */
  #tellIoError(): void {
    const { protocol, report, rules, wire } = this.#session;
    if (protocol !== 30 || report.ioError === 0 || rules.ignoreErrors) return;
    wire.flush();
    wire.intMessage(TAG.IO_ERROR, report.ioError & IO_ERROR.MASK);
  }

  #entriesAhead(current: number): number {
    const list = this.lists.listOf(current);
    const last = this.lists.live.at(-1);
    return last === undefined ? 0 : last.end - (list?.end ?? last.start);
  }
}

/** Every entry of our own lists was made by the scan. */
function sourceEntry(entry: FileEntry): SourceEntry {
  if (!("source" in entry)) throw new Error("an entry without source");
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- see above
  return entry as SourceEntry;
}
