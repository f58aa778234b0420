import {
  type BlockSums,
  createNdxCodec,
  IO_ERROR,
  ITEM,
  type Item,
  isRegularFile,
  isSymlink,
  NDX,
  type NdxCodec,
  RsyncError,
  readDeleteStatistics,
  readItem,
  readSumHeader,
  readXattrRequest,
  type SumHeader,
  TAG,
  writeDeleteStatistics,
  writeItem,
  writeStatistics,
  writeXattrValues,
  type XattrValue,
} from "@dialhome/rsync-protocol";
import { readBlockSums } from "./block-sums-reader.ts";
import { FileSender } from "./file-sender.ts";
import { ListSender } from "./list-sender.ts";
import type { Session } from "./session.ts";
import type { SourceEntry } from "./source.ts";
import type { SourceOpener } from "./sources.ts";

/** A request as it was read: its head, and the sum header of one that asks for content. */
interface Request {
  readonly item: Item;
  readonly header: SumHeader | undefined;
  /** Places of the attribute values that are asked for; undefined when the item has no such part. */
  readonly xattrs: readonly number[] | undefined;
}

/** The phase in which nothing more is asked for: that of delayed updates. */
const UPDATES_PHASE = 2;

/**
 * The sending side from the file list to the goodbye: rsync's sender.c. Everything that is written comes
 * from this one flow, so replies keep the order of the requests.
 */
export class Sender {
  readonly #session: Session;
  readonly #out: NdxCodec;
  readonly #in: NdxCodec;
  readonly #listSender: ListSender;
  readonly #fileSender: FileSender;
  /** Files that were appended to: if one is asked for again, it is with sums (`--append` only). */
  readonly #appended = new Set<number>();
  #phase = 0;
  /** The index worked on last. */
  #current = 0;
  #listMs = 0;

  /** @param paths - what was asked for */
  constructor(session: Session, sources: SourceOpener, paths: readonly string[]) {
    this.#session = session;
    this.#out = createNdxCodec(session.protocol);
    this.#in = createNdxCodec(session.protocol);
    this.#listSender = new ListSender(session, sources, paths, this.#out);
    this.#fileSender = new FileSender(session, this.#out);
  }

  /** Serves the whole session. Resolves when the goodbyes are said. */
  async run(): Promise<void> {
    const { wire } = this.#session;
    const started = performance.now();
    await this.#listSender.sendFirst();
    this.#listMs = performance.now() - started;
    const { lists } = this.#listSender;
    // An empty list ends the session at once, on both sides.
    if (lists.total === 0) return;
    this.#current = lists.live[0]?.start ?? 0;
    const { morePhases } = this.#session.traits;
    while (this.#phase <= morePhases) {
      await this.#listSender.sendAhead(this.#current);
      const request = await this.#nextRequest();
      if (request.item.ndx === NDX.DONE) this.#takeDone();
      else await this.#answer(request);
    }
    this.#finish();
    await this.#goodbye();
    wire.flush();
  }

  async #nextRequest(): Promise<Request> {
    const { wire } = this.#session;
    for (;;) {
      const request = wire.reader.attempt(() => this.#readRequest());
      if (request !== undefined) {
        this.#in.commit(request.item.ndx);
        if (this.#isKeepalive(request.item)) {
          wire.message(TAG.DATA, Buffer.alloc(0));
          continue;
        }
        if (request.item.ndx !== NDX.DEL_STATS) return request;
        // What the client's generator deleted; its receiver hears of it by this echo alone.
        const deleted = await wire.read(readDeleteStatistics);
        this.#out.write(wire.out, NDX.DEL_STATS);
        writeDeleteStatistics(wire.out, deleted);
        continue;
      }
      wire.flush();
      await wire.more();
    }
  }

  /** A client of protocol 29, which has no frames, names the index behind the last to show that it lives. */
  #isKeepalive({ ndx, flags }: Item): boolean {
    if (this.#session.traits.framesBothWays || flags !== ITEM.IS_NEW) return false;
    return ndx >= 0 && ndx === this.#listSender.lists.live[0]?.end;
  }

  #readRequest(): Request {
    const { wire, options, checksum, traits } = this.#session;
    const largest = traits.largestBlockBytes;
    const item = readItem(wire.reader, this.#in);
    const xattrs = this.#exchangesXattrs(item)
      ? readXattrRequest(wire.reader, this.#listSender.lists.find(item.ndx)?.xattrs?.length ?? 0)
      : undefined;
    if (item.ndx < 0 || (item.flags & ITEM.TRANSFER) === 0 || options.dryRun) {
      return { item, xattrs, header: undefined };
    }
    return { item, xattrs, header: readSumHeader(wire.reader, checksum.digestLength, largest) };
  }

  /** Whether a request for attribute values follows the item, and the values its reply. */
  #exchangesXattrs({ ndx, flags }: Item): boolean {
    const { format, options, sparesLinkedXattrs } = this.#session;
    if (ndx < 0 || !format.xattrs || !(flags & ITEM.REPORT_XATTR) || options.dryRun) return false;
    return !(sparesLinkedXattrs && flags & ITEM.XNAME_FOLLOWS && flags & ITEM.LOCAL_CHANGE);
  }

  /** The end of a list, or of a phase. */
  #takeDone(): void {
    const { wire, format, traits } = this.#session;
    const { lists } = this.#listSender;
    if (format.incRecurse && lists.live.length > 0) {
      const last = lists.live.length === 1;
      if (last && !this.#listSender.isComplete) {
        throw misuse("the client says it is done with lists that were not sent yet");
      }
      lists.shift();
      if (!last) {
        this.#current = Math.max(this.#current, lists.live[0]?.start ?? 0);
        this.#out.write(wire.out, NDX.DONE);
        return;
      }
    }
    this.#phase++;
    if (this.#phase <= traits.morePhases) this.#out.write(wire.out, NDX.DONE);
  }

  async #answer({ item, header, xattrs }: Request): Promise<void> {
    const { wire, pace, options } = this.#session;
    this.#assertItem(item);
    this.#current = item.ndx;
    if ((item.flags & ITEM.TRANSFER) === 0) {
      // Something the client did without data: it is only echoed.
      writeItem(wire.out, this.#out, item);
      if (xattrs) writeXattrValues(wire.out, this.#valuesOf(this.#entryOf(item), xattrs));
      wire.pushFull();
      return;
    }
    const entry = this.#transferable(item);
    if (header === undefined) {
      // A dry run.
      writeItem(wire.out, this.#out, item);
      wire.pushFull();
      return;
    }
    const isAppended = options.append > 0 && !this.#appended.has(item.ndx);
    if (isAppended) this.#appended.add(item.ndx);
    // When appending, the header alone tells how much the client has.
    const sums: BlockSums =
      header.count === 0 || isAppended
        ? { header, weak: new Int32Array(0), strong: new Uint8Array(0) }
        : await readBlockSums(wire, header);
    const values = xattrs && this.#valuesOf(entry, xattrs);
    await this.#fileSender.send(entry, item, { sums, isAppended, xattrs: values });
    if (pace.over) await pace.rest();
  }

  /** Every index must lie in a list that is still alive; the one in front of a list is its directory. */
  #assertItem(item: Item): void {
    if (item.ndx < 0) throw misuse(`the client sent the index ${item.ndx} among its requests`);
    if (this.#listSender.lists.listOf(item.ndx) === undefined) {
      throw misuse(`the client names the index ${item.ndx}, which is in no list`);
    }
  }

  /** The values as they are now; one that is gone meanwhile is empty. */
  #valuesOf(entry: SourceEntry | undefined, numbers: readonly number[]): XattrValue[] {
    if (!entry) return [];
    return numbers.map((number) => {
      const attribute = entry.xattrs?.[number - 1]?.name ?? "";
      return { number, value: this.#readValue(entry, attribute) };
    });
  }

  #readValue(entry: SourceEntry, attribute: string): Buffer {
    const { source, name } = entry;
    try {
      return source.attributes(name, isSymlink(entry)).get(attribute) ?? Buffer.alloc(0);
    } catch (error) {
      this.#session.report.failedOrVanished(
        "get_xattr_data",
        `${source.label(name)} failed`,
        error,
      );
      return Buffer.alloc(0);
    }
  }

  #entryOf(item: Item): SourceEntry | undefined {
    const entry = this.#listSender.lists.find(item.ndx);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- made by our own scan
    return entry as SourceEntry | undefined;
  }

  #transferable(item: Item): SourceEntry {
    const entry = this.#entryOf(item);
    if (entry === undefined || !isRegularFile(entry)) {
      throw misuse(`the client asks for the content of index ${item.ndx}, which is no file`);
    }
    if (this.#phase === UPDATES_PHASE) {
      throw misuse(`the client asks for the content of index ${item.ndx} after the last phase`);
    }
    return entry;
  }

  /** What follows the client's last request: errors, DONE, and the statistics. */
  #finish(): void {
    const { wire, report, protocol } = this.#session;
    if (report.ioError !== 0 && protocol >= 30) {
      wire.flush();
      wire.intMessage(TAG.IO_ERROR, report.ioError & IO_ERROR.MASK);
    }
    this.#out.write(wire.out, NDX.DONE);
    writeStatistics(
      wire.out,
      {
        read: wire.bytesRead,
        written: wire.bytesWritten,
        totalSize: this.#listSender.totalSize,
        listBuildMs: Math.round(this.#listMs),
        listTransferMs: 0,
      },
      protocol,
    );
    wire.flush();
  }

  /** The client's last word is DONE; from protocol 31 on it says it twice, and is answered in between. */
  async #goodbye(): Promise<void> {
    const { wire, traits } = this.#session;
    let last = await this.#nextRequest();
    if (traits.answersGoodbye && last.item.ndx === NDX.DONE) {
      this.#out.write(wire.out, NDX.DONE);
      wire.flush();
      last = await this.#nextRequest();
    }
    if (last.item.ndx !== NDX.DONE) throw misuse("the client's goodbye is not one");
  }
}

function misuse(message: string): RsyncError {
  return new RsyncError("ERR_RSYNC_PROTOCOL", message, { exitCode: 2 });
}
