import * as fs from "node:fs";
import {
  BASIS,
  type ByteReader,
  baseNameOf,
  basisLength,
  blockLengthAt,
  blockOffsetAt,
  createNdxCodec,
  directoryOf,
  EXIT,
  type FileListDecoder,
  IO_ERROR,
  ITEM,
  type Item,
  NDX,
  type NdxCodec,
  protocolError,
  RsyncError,
  readDeleteStatistics,
  readItem,
  readStatistics,
  readSumHeader,
  readXattrValues,
  type ServerStatistics,
  type SumHeader,
  type TokenReader,
  type XattrValue,
} from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import type { Deletion } from "./deletion.ts";
import { nameBytes } from "./destination-tree.ts";
import { FileWriter } from "./file-writer.ts";
import { type IncomingFile, IncomingFiles } from "./incoming-files.ts";
import type { ListChecks } from "./list-checks.ts";
import { readFileList } from "./list-reader.ts";
import { assertGoingOn, fail, giveUp, pathOf, placeOf, succeed } from "./placement.ts";
import type { PullContext, Transfer } from "./pull-context.ts";
import type { StartedTransfer } from "./pull-options.ts";
import { Slices } from "./slices.ts";
import { VALUE_BYTES } from "./xattr-values.ts";

/** Blocks of a basis that lie side by side are copied in one go, up to this many bytes. */
const RUN_BYTES = 256 * 1024;

const NO_VALUES: readonly XattrValue[] = [];

interface Reply {
  readonly item: Item;
  /** Values of extended attributes that came with it. */
  readonly xattrs: readonly XattrValue[];
  readonly sums: SumHeader | undefined;
}

/**
 * The half that reads (rsync's receiver): replies with the content of files, further lists, the ends of the phases. Each
 * file is rebuilt under a temporary name, verified, given its attributes and then its name; in a private destination a new one
 * has its name from the start, and loses it when it turns out wrong.
 */
export class Receiver {
  readonly #context: PullContext;
  readonly #decoder: FileListDecoder;
  readonly #checks: ListChecks;
  readonly #incoming: IncomingFiles;
  readonly #ndx: NdxCodec;
  readonly #tokens: TokenReader;
  readonly #writer: FileWriter;
  readonly #slices = new Slices();
  readonly #readSum = (reader: ByteReader): Buffer =>
    Buffer.from(reader.bytes(this.#context.terms.checksum.digestLength));

  constructor(
    context: PullContext,
    decoder: FileListDecoder,
    deletion: Deletion,
    checks: ListChecks,
  ) {
    this.#context = context;
    this.#checks = checks;
    this.#ndx = createNdxCodec(context.terms.protocol);
    this.#decoder = decoder;
    this.#incoming = new IncomingFiles(context, deletion);
    this.#tokens = context.terms.tokens;
    this.#writer = new FileWriter(context.terms.checksum.fileHasher(), {
      sparse: context.options.sparse === true,
      contentDigest: context.options.contentDigest,
    });
  }

  /** Reads until the sender has ended the last phase and told its statistics. */
  async run(): Promise<ServerStatistics> {
    const { wire, terms, progress, transfers, lists } = this.#context;
    const { traits, protocol } = terms;
    // One echo for each list but the last, one for each of the phases 0 and 1, and the last of the loop.
    let doneCount = 0;
    const decode = (reader: ByteReader): Reply => this.#readReply(reader);
    for (;;) {
      if (this.#slices.over) await this.#rest();
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
    progress.add(
      await readFileList(
        wire,
        this.#decoder,
        terms.format,
        lists,
        tally,
        directory,
        this.#checks,
        this.#context.changeEntry,
      ),
    );
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
    if (!sums) {
      // A dry run counts what would come.
      tally.transferredFiles++;
      tally.transferredBytes += transfer.job.entry.size;
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
    await this.#file(transfer);
    tally.endFile();
    tally.progress(wire.bytesRead);
  }

  /** With `--delay-updates`, when everything has come. */
  async releaseDelayed(): Promise<void> {
    await this.#incoming.releaseDelayed();
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

  /** Rebuilds one file. Its tokens are read to the end whatever happens to the file. */
  async #file(transfer: Transfer): Promise<void> {
    const { entry } = transfer.job;
    const { wire, tally } = this.#context;
    let basis = -1;
    let file: IncomingFile | undefined;
    let failure: unknown;
    let published = false;
    let contentDigest: Uint8Array | undefined;
    const literalBefore = tally.literalBytes;
    let sum: Uint8Array | undefined;
    try {
      if (transfer.sums.count > 0) basis = this.#openBasis(transfer);
      try {
        file = this.#incoming.open(transfer);
      } catch (error) {
        failure = error;
      }
      if (failure !== undefined) assertGoingOn("cannot write", entry.name, failure);
      const isKept = await this.#begin(transfer, file, basis);
      const isIntact = (await this.#readTokens(transfer, basis)) && isKept;
      const expected = wire.reader.attempt(this.#readSum) ?? (await wire.read(this.#readSum));
      const { checksum, digest, failure: writeFailure } = this.#writer.finish();
      failure ??= writeFailure;
      if (failure !== undefined) {
        if (file) await this.#incoming.discard(transfer, file, false);
        this.#failed(transfer, failure);
      } else if (!isIntact || !expected.equals(checksum)) {
        if (file) await this.#incoming.discard(transfer, file, true);
        this.#mismatch(transfer);
      } else if (file) {
        await this.#incoming.publish(transfer, file);
        if (!this.#context.delayed) this.#context.attributes.placed(entry);
        published = true;
        sum = expected;
        contentDigest = digest;
      }
    } catch (error) {
      // What is whole, but cannot get its place, is no beginning of anything.
      const isPart = error instanceof RsyncError && tally.literalBytes > literalBefore;
      if (file) await this.#abandon(transfer, file, isPart);
      if (error instanceof RsyncError) throw error;
      this.#failed(transfer, error);
    } finally {
      if (basis >= 0) fs.closeSync(basis);
      if (file) fs.closeSync(file.fd);
    }
    if (!published) return;
    tally.transferredFiles++;
    tally.transferredBytes += entry.size;
    const extra = { digest: contentDigest, checksum: sum };
    const told = transfer.job.against ?? transfer.flags;
    succeed(this.#context, transfer.job, outcomeOf(transfer), told, extra);
  }

  /** @returns false when what should stay of the file is not there */
  async #begin(
    { append, sums }: Transfer,
    file: IncomingFile | undefined,
    basis: number,
  ): Promise<boolean> {
    const isOver = file?.stage === "in-place" || file?.stage === "partial";
    const from = append ? basisLength(sums) : 0;
    this.#writer.begin(file?.fd ?? -1, isOver ? { from } : undefined);
    const { options, terms } = this.#context;
    const verifies = options.append === "verify" || terms.traits.appendVerifies;
    if (!append || !verifies) return true;
    if (basis < 0) return from === 0;
    for (let at = 0; at < from; at += RUN_BYTES) {
      if (!this.#writer.hashBefore(basis, at, Math.min(RUN_BYTES, from - at))) return false;
      if (this.#slices.over) await this.#rest();
    }
    return true;
  }

  /** The session ends in the middle of a file, or the file cannot be put into its place. */
  async #abandon(transfer: Transfer, file: IncomingFile, hasContent: boolean): Promise<void> {
    try {
      this.#writer.writeOut();
    } catch {
      // What ended the session tells more.
    }
    await this.#incoming.abandon(transfer, file, hasContent);
  }

  /** −1 when it is gone, or cannot be read any more: then its blocks are missing, and the file is asked for once more. */
  #openBasis(transfer: Transfer): number {
    const { entry } = transfer.job;
    const reference = this.#context.references.find(({ basis }) => basis === transfer.basis);
    const path = pathOf(this.#context, entry);
    try {
      if (transfer.basis === BASIS.PARTIAL_DIR) return this.#context.partials?.openFile(path) ?? -1;
      if (transfer.basis === BASIS.BACKUP) return this.#context.backups?.openCopy(path) ?? -1;
      if (reference) {
        return reference.tree
          .directory(directoryOf(entry.name))
          .openFile(nameBytes(baseNameOf(entry.name)));
      }
      const place = placeOf(this.#context, entry);
      return place.directory.openFile(place.name);
    } catch {
      return -1;
    }
  }

  /** @returns false when the basis is not what it was when it was summed up */
  async #readTokens(transfer: Transfer, basis: number): Promise<boolean> {
    const { wire, tally } = this.#context;
    const { sums } = transfer;
    let intact = true;
    let runOffset = 0;
    let runLength = 0;
    const copyRun = (): void => {
      if (runLength === 0) return;
      if (basis < 0 || !this.#writer.copy(basis, runOffset, runLength)) intact = false;
      tally.matchedBytes += runLength;
      runLength = 0;
    };
    for (;;) {
      const token = this.#tokens.read(wire.reader);
      if (!token) {
        tally.progress(wire.bytesRead);
        // With the disk full there is no use in hearing the rest of the file.
        assertGoingOn("cannot write", transfer.job.entry.name, this.#writer.failure);
        await wire.more();
      } else if (token.is === "literal") {
        copyRun();
        tally.literalBytes += token.data.length;
        this.#writer.write(token.data);
        // A few bytes of compressed data can stand for megabytes.
        if (this.#slices.over) {
          assertGoingOn("cannot write", transfer.job.entry.name, this.#writer.failure);
          await this.#rest();
        }
      } else if (token.is === "block") {
        if (token.index >= sums.count) {
          throw protocolError(
            `block ${token.index} of ${sums.count} for "${transfer.job.entry.name}"`,
            EXIT.PROTOCOL,
          );
        }
        const offset = blockOffsetAt(sums, token.index);
        const length = blockLengthAt(sums, token.index);
        if (this.#tokens.needsBlocks) this.#tokens.matched(contentOfBlock(basis, offset, length));
        if (runLength === 0 || offset !== runOffset + runLength || runLength >= RUN_BYTES) {
          copyRun();
          runOffset = offset;
          // A few bytes of input can stand for gigabytes of the basis.
          if (this.#slices.over) await this.#rest();
        }
        runLength += length;
      } else {
        copyRun();
        return intact;
      }
    }
  }

  /** What has come can stand for hours of work: in between, the session may have ended. */
  async #rest(): Promise<void> {
    await this.#slices.rest();
    this.#context.wire.assertAlive();
  }

  /** The file that came is not the one that was sent: once more, then it is a problem. */
  #mismatch(transfer: Transfer): void {
    const { job } = transfer;
    if (transfer.redo) {
      this.#context.tally.problem(
        `"${job.entry.name}": the checksum was wrong twice; the file changes while it is read, or the data is damaged on its way`,
      );
      giveUp(this.#context, job);
      return;
    }
    this.#context.tally.message({
      level: "warning",
      text: `"${job.entry.name}": wrong checksum, asking once more`,
      fromPeer: false,
    });
    this.#context.reports.drop(job.ndx);
    this.#context.again.push({ ...job, redo: true, changes: transfer.flags });
    this.#context.progress.wake();
  }

  #failed(transfer: Transfer, error: unknown): void {
    fail(this.#context, transfer.job, "cannot write", error);
  }
}

function outcomeOf(transfer: Transfer): "new" | "updated" {
  const isNew = (transfer.flags & ITEM.IS_NEW) !== 0 && transfer.job.against === undefined;
  return isNew ? "new" : "updated";
}

/** What a block holds; zeros where it cannot be read, which makes the file wrong, and leaves the session in step. */
function contentOfBlock(basis: number, offset: number, length: number): Buffer {
  const content = Buffer.alloc(length);
  if (basis < 0) return content;
  for (let at = 0; at < length; ) {
    const got = fs.readSync(basis, content, at, length - at, offset + at);
    if (got === 0) break;
    at += got;
  }
  return content;
}

function sameSums(a: SumHeader, b: SumHeader): boolean {
  return (
    a.count === b.count &&
    a.blockLength === b.blockLength &&
    a.strongLength === b.strongLength &&
    a.remainder === b.remainder
  );
}
