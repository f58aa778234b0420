import {
  type ByteReader,
  createNdxCodec,
  EXIT,
  type FileListDecoder,
  IO_ERROR,
  ITEM,
  type Item,
  NDX,
  type NdxCodec,
  protocolError,
  readDeleteStatistics,
  readItem,
  readStatistics,
  readSumHeader,
  readXattrValues,
  type ServerStatistics,
  type SumHeader,
  type XattrValue,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import { giveUp, succeed } from "./entry-results.ts";
import { FileAssembly, outcomeOf } from "./file-assembly.ts";
import type { ListChecks } from "./list-checks.ts";
import { readFileList } from "./list-reader.ts";
import type { SessionContext, Transfer } from "./pull-context.ts";
import type { StartedTransfer } from "./pull-options.ts";
import type { ContentTarget } from "./pull-side.ts";
import { Slices } from "./slices.ts";
import { VALUE_BYTES } from "./xattr-values.ts";

const NO_VALUES: readonly XattrValue[] = [];

interface Reply {
  readonly item: Item;
  /** Values of extended attributes that came with it. */
  readonly xattrs: readonly XattrValue[];
  readonly sums: SumHeader | undefined;
}

/** The half that reads (rsync's receiver): replies with the content of files, further lists, the ends of the phases. */
export class Receiver {
  readonly #context: SessionContext;
  readonly #decoder: FileListDecoder;
  readonly #checks: ListChecks;
  readonly #files: FileAssembly;
  readonly #ndx: NdxCodec;
  readonly #slices = new Slices();

  constructor(
    context: SessionContext,
    content: ContentTarget,
    decoder: FileListDecoder,
    checks: ListChecks,
  ) {
    this.#context = context;
    this.#checks = checks;
    this.#ndx = createNdxCodec(context.terms.protocol);
    this.#decoder = decoder;
    this.#files = new FileAssembly(context, content, this.#slices);
  }

  /** Reads until the sender has ended the last phase and told its statistics. */
  async run(): Promise<ServerStatistics> {
    const { wire, terms, progress, transfers, lists } = this.#context;
    const { traits, protocol } = terms;
    // One echo for each list but the last, one for each of the phases 0 and 1, and the last of the loop.
    let doneCount = 0;
    const decode = (reader: ByteReader): Reply => this.#readReply(reader);
    for (;;) {
      if (this.#slices.over) {
        await this.#slices.rest();
        // What has come can stand for hours of work: in between, the session may have ended.
        wire.assertAlive();
      }
      const { item, xattrs, sums } = wire.reader.attempt(decode) ?? (await wire.read(decode));
      this.#ndx.commit(item.ndx);
      if (item.ndx >= 0) {
        await this.#reply(item, xattrs, sums);
      } else if (item.ndx === NDX.DONE) {
        doneCount++;
        // The sender only answers ours.
        if (doneCount > progress.told) {
          throw protocolError("an end of a phase that was not asked for", EXIT.PROTOCOL);
        }
        if (!traits.tellsUnsent)
          this.#lose(transfers.passedOver(({ phase }) => phase >= doneCount));
        progress.answered();
        if (progress.allListed && doneCount === lists.count + traits.morePhases) break;
      } else if (item.ndx === NDX.FLIST_EOF && terms.format.incRecurse && !progress.allListed) {
        this.#endOfLists();
      } else if (item.ndx <= NDX.FLIST_OFFSET && !progress.allListed) {
        await this.#subList(item.ndx);
      } else {
        throw protocolError(`unexpected index ${item.ndx}`, EXIT.PROTOCOL);
      }
    }
    return wire.read((reader) => readStatistics(reader, protocol));
  }

  /** From protocol 31 on the sender answers the last phase: with what was deleted, as we told it, and its own DONE. */
  async readGoodbye(): Promise<void> {
    const { wire, terms, options } = this.#context;
    if (!terms.traits.answersGoodbye) return;
    for (let isTold = false; ; isTold = true) {
      const { ndx } = await wire.read((reader) => ({ ndx: this.#ndx.peek(reader) }));
      this.#ndx.commit(ndx);
      if (ndx === NDX.DONE) return;
      if (ndx !== NDX.DEL_STATS || !deleteTime(options) || isTold) {
        throw protocolError(`index ${ndx} where the session should end`);
      }
      await wire.read(readDeleteStatistics);
    }
  }

  #endOfLists(): void {
    this.#context.tally.listComplete = true;
    this.#context.progress.endOfLists();
  }

  async #subList(ndx: number): Promise<void> {
    const { wire, lists, terms, tally, progress, options } = this.#context;
    const directory = lists.takeAnnounced(ndx);
    // With --relative a list also holds what was asked for in a directory on the way.
    if (!directory.hasContent && !options.relative) {
      throw protocolError(
        `content was sent for "${directory.name}", which has none`,
        EXIT.PROTOCOL,
      );
    }
    const list = await readFileList(
      wire,
      this.#decoder,
      terms.format,
      lists,
      tally,
      directory,
      this.#checks,
      this.#context.changeEntry,
    );
    if (options.hardLinks) this.#context.hardLinks.listed(list);
    progress.add(list);
  }

  #readReply(reader: ByteReader): Reply {
    const { checksum, traits } = this.#context.terms;
    const largest = traits.largestBlockBytes;
    const item = readItem(reader, this.#ndx);
    const withSums = item.ndx >= 0 && item.flags & ITEM.TRANSFER && !this.#context.options.dryRun;
    return {
      item,
      xattrs: this.#readXattrs(reader, item),
      sums: withSums ? readSumHeader(reader, checksum.digestLength, largest) : undefined,
    };
  }

  #readXattrs(reader: ByteReader, { ndx, flags }: Item): readonly XattrValue[] {
    const { xattrs, options, lists } = this.#context;
    if (!xattrs || ndx < 0 || !(flags & ITEM.REPORT_XATTR) || options.dryRun) return NO_VALUES;
    const set = lists.find(ndx)?.xattrs;
    return readXattrValues(reader, set ? xattrs.outstanding(set) : [], VALUE_BYTES);
  }

  /** Files that were asked for and will not come, of which only a message may have told. */
  #lose(transfers: readonly Transfer[]): void {
    for (const { job } of transfers) {
      // Where nothing else says why, as when it vanished: exit code 24.
      this.#context.tally.ioError |= IO_ERROR.VANISHED;
      giveUp(this.#context, job);
    }
  }

  async #reply(
    item: Item,
    values: readonly XattrValue[],
    sums: SumHeader | undefined,
  ): Promise<void> {
    const { transfers, tally, wire, xattrs, terms } = this.#context;
    if (!terms.traits.tellsUnsent)
      this.#lose(transfers.passedOver(({ job }) => job.ndx === item.ndx));
    const transfer = transfers.reply(item.ndx);
    if (!this.#ndx.carriesFlags) {
      // Below protocol 29 an index is all that a reply repeats.
    } else if (item.flags !== transfer.flags || item.basis !== transfer.basis) {
      throw protocolError(
        `reply for entry ${item.ndx} with flags 0x${item.flags.toString(16)}, asked with 0x${transfer.flags.toString(16)}`,
        EXIT.PROTOCOL,
      );
    }
    const set = transfer.job.entry.xattrs;
    for (const { number, value } of values) if (set) xattrs?.accept(set, number, value);
    if (transfer.resume) {
      await transfer.resume();
      return;
    }
    // As in rsync(1): what a dry run would bring counts, what fails as well, and what has to come twice counts twice.
    tally.transferredFiles++;
    tally.transferredBytes += transfer.job.entry.size;
    if (!sums) {
      const { job, flags } = transfer;
      succeed(this.#context, job, outcomeOf(transfer), job.against ?? flags);
      return;
    }
    if (!sameSums(sums, transfer.sums)) {
      throw protocolError(
        `reply for entry ${item.ndx} with other sums than were sent`,
        EXIT.PROTOCOL,
      );
    }
    this.#context.reports.begins(() => this.#startOf(transfer));
    tally.beginFile(transfer.job.entry.size);
    await this.#files.rebuild(transfer);
    tally.endFile();
    tally.progress(wire.bytesRead);
  }

  /** The entries of a list are numbered without a gap, those of the next begin one number later. */
  #startOf(transfer: Transfer): StartedTransfer {
    const { job, flags } = transfer;
    const { lists, tally, terms } = this.#context;
    const { live } = lists;
    const listNumber = lists.count - live.length + live.indexOf(job.work.list);
    const before = job.ndx - listNumber - (terms.format.incRecurse ? 1 : 0);
    return {
      entry: job.entry,
      outcome: outcomeOf(transfer),
      changes: job.against ?? flags,
      listed: tally.entries,
      listComplete: tally.listComplete,
      totalBytes: tally.totalBytes,
      remaining: tally.entries - (terms.format.incRecurse ? before : job.ndx) - 1,
    };
  }
}

function sameSums(a: SumHeader, b: SumHeader): boolean {
  return (
    a.count === b.count &&
    a.blockLength === b.blockLength &&
    a.strongLength === b.strongLength &&
    a.remainder === b.remainder
  );
}
