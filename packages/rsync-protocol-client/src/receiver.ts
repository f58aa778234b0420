import * as fs from "node:fs";
import { errorCode, isDirectory } from "@dialhome/posix-fs";
import {
  type ByteReader,
  baseNameOf,
  blockLengthAt,
  blockOffsetAt,
  directoryOf,
  EXIT,
  type FileEntry,
  type FileListDecoder,
  ITEM,
  type Item,
  NDX,
  NdxCodec,
  PlainTokenReader,
  protocolError,
  RsyncError,
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
import type { Deletion } from "./deletion.ts";
import { nameBytes } from "./destination-tree.ts";
import { FileWriter } from "./file-writer.ts";
import type { ListChecks } from "./list-checks.ts";
import { readFileList } from "./list-reader.ts";
import { assertGoingOn, fail, giveUp, placeOf, succeed, temporaryFor } from "./placement.ts";
import type { PullContext, Transfer } from "./pull-context.ts";
import { Slices } from "./slices.ts";
import { describeFailure } from "./tally.ts";
import { VALUE_BYTES } from "./xattr-values.ts";

/** Blocks of a basis that lie side by side are copied in one go, up to this many bytes. */
const RUN_BYTES = 256 * 1024;

/** A file that is being written. */
interface OpenFile {
  readonly name: Buffer;
  readonly fd: number;
  /** It has its own name already. */
  readonly isInPlace: boolean;
}

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
  readonly #deletion: Deletion;
  readonly #checks: ListChecks;
  readonly #ndx = new NdxCodec();
  readonly #tokens = new PlainTokenReader();
  readonly #writer: FileWriter;
  readonly #slices = new Slices();

  constructor(
    context: PullContext,
    decoder: FileListDecoder,
    deletion: Deletion,
    checks: ListChecks,
  ) {
    this.#context = context;
    this.#checks = checks;
    this.#decoder = decoder;
    this.#deletion = deletion;
    this.#writer = new FileWriter(context.terms.checksum.fileHasher(), {
      sparse: context.options.sparse === true,
      contentDigest: context.options.contentDigest,
    });
  }

  /** Reads until the sender has ended the last phase and told its statistics. */
  async run(): Promise<ServerStatistics> {
    const { wire, terms, progress } = this.#context;
    // One echo for each list but the last, one for each of the phases 0 and 1, and the last of the loop.
    let doneCount = 0;
    const decode = (reader: ByteReader): Reply => this.#readReply(reader);
    for (;;) {
      if (this.#slices.over) await this.#slices.rest();
      const { item, xattrs, sums } = wire.reader.attempt(decode) ?? (await wire.read(decode));
      this.#ndx.commit(item.ndx);
      if (item.ndx >= 0) {
        await this.#reply(item, xattrs, sums);
      } else if (item.ndx === NDX.DONE) {
        doneCount++;
        // The sender only answers ours; the last two come when every list is finished.
        if (doneCount > progress.finishedLists + (progress.complete ? 2 : 0)) {
          throw protocolError("an end of a phase that was not asked for", EXIT.PROTOCOL);
        }
        if (progress.complete && doneCount === this.#context.lists.count + 2) break;
      } else if (item.ndx === NDX.FLIST_EOF && terms.format.incRecurse && !progress.allListed) {
        this.#endOfLists();
      } else if (item.ndx <= NDX.FLIST_OFFSET && !progress.allListed) {
        await this.#subList(item.ndx);
      } else {
        throw protocolError(`unexpected index ${item.ndx}`, EXIT.PROTOCOL);
      }
    }
    return wire.read(readStatistics);
  }

  /** From protocol 31 on the sender answers the last phase: with what was deleted, as we told it, and its own DONE. */
  async readGoodbye(): Promise<void> {
    const { wire, terms, options } = this.#context;
    if (terms.protocol < 31) return;
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
    const item = readItem(reader, this.#ndx);
    const withSums = item.ndx >= 0 && item.flags & ITEM.TRANSFER && !this.#context.options.dryRun;
    return {
      item,
      xattrs: this.#readXattrs(reader, item),
      sums: withSums ? readSumHeader(reader, this.#context.terms.checksum.digestLength) : undefined,
    };
  }

  #readXattrs(reader: ByteReader, { ndx, flags }: Item): readonly XattrValue[] {
    const { xattrs, options, lists } = this.#context;
    if (!xattrs || ndx < 0 || !(flags & ITEM.REPORT_XATTR) || options.dryRun) return [];
    const set = lists.find(ndx)?.xattrs;
    return readXattrValues(reader, set ? xattrs.outstanding(set) : [], VALUE_BYTES);
  }

  async #reply(
    item: Item,
    values: readonly XattrValue[],
    sums: SumHeader | undefined,
  ): Promise<void> {
    const { transfers, tally, wire, xattrs } = this.#context;
    const transfer = transfers.reply(item.ndx);
    if (item.flags !== transfer.flags || item.basis !== transfer.basis) {
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
      succeed(this.#context, transfer.job, outcomeOf(transfer), transfer.flags);
      return;
    }
    if (!sameSums(sums, transfer.sums)) {
      throw protocolError(
        `reply for entry ${item.ndx} with other sums than were sent`,
        EXIT.PROTOCOL,
      );
    }
    await this.#file(transfer);
    tally.progress(wire.bytesRead);
  }

  /** Rebuilds one file. Its tokens are read to the end whatever happens to the file. */
  async #file(transfer: Transfer): Promise<void> {
    const { entry } = transfer.job;
    const { terms, wire, tally } = this.#context;
    let basis = -1;
    let temporary: OpenFile | undefined;
    let failure: unknown;
    let published = false;
    let contentDigest: Uint8Array | undefined;
    try {
      if (transfer.sums.count > 0) basis = this.#openBasis(transfer);
      try {
        temporary = this.#createFile(transfer);
      } catch (error) {
        failure = error;
      }
      if (failure !== undefined) assertGoingOn("cannot write", entry.name, failure);
      this.#writer.begin(temporary?.fd ?? -1);
      const basisIntact = await this.#readTokens(transfer, basis);
      const length = terms.checksum.digestLength;
      const decode = (reader: ByteReader): Buffer => Buffer.from(reader.bytes(length));
      const expected = wire.reader.attempt(decode) ?? (await wire.read(decode));
      const { checksum, digest, failure: writeFailure } = this.#writer.finish();
      failure ??= writeFailure;
      if (failure !== undefined) {
        this.#failed(transfer, failure);
      } else if (!basisIntact || !expected.equals(checksum)) {
        this.#mismatch(transfer);
      } else if (temporary) {
        await this.#publish(transfer, temporary);
        this.#context.attributes.placed(entry);
        published = true;
        contentDigest = digest;
      }
    } catch (error) {
      if (error instanceof RsyncError) throw error;
      this.#failed(transfer, error);
    } finally {
      if (basis >= 0) fs.closeSync(basis);
      if (temporary) {
        fs.closeSync(temporary.fd);
        if (!published) this.#removeTemporary(entry, temporary.name);
      }
    }
    if (!published) return;
    tally.transferredFiles++;
    tally.transferredBytes += entry.size;
    const extra = { digest: contentDigest };
    succeed(this.#context, transfer.job, outcomeOf(transfer), transfer.flags, extra);
  }

  /** −1 when it is gone, or cannot be read any more: then its blocks are missing, and the file is asked for once more. */
  #openBasis(transfer: Transfer): number {
    const { entry } = transfer.job;
    const reference = this.#context.references.find(({ basis }) => basis === transfer.basis);
    try {
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

  /** The file to write to: under a temporary name, or under its own where nobody can meet it. */
  #createFile({ job, flags: asked }: Transfer): OpenFile {
    const place = placeOf(this.#context, job.entry);
    const flags = fs.constants.O_WRONLY | fs.constants.O_CREAT | fs.constants.O_EXCL;
    if (this.#context.options.privateDestination && asked & ITEM.IS_NEW) {
      try {
        const fd = place.directory.openFile(place.name, flags, 0o600);
        return { name: place.name, fd, isInPlace: true };
      } catch (error) {
        if (errorCode(error) !== "EEXIST") throw error;
      }
    }
    const name = temporaryFor(place);
    return { name, fd: place.directory.openFile(name, flags, 0o600), isInPlace: false };
  }

  #removeTemporary(entry: FileEntry, name: Buffer): void {
    try {
      placeOf(this.#context, entry).directory.unlink(name);
    } catch (error) {
      if (errorCode(error) === "ENOENT") return;
      this.#context.tally.problem(
        describeFailure("cannot remove the temporary file of", entry.name, error),
      );
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
      } else if (token.is === "block") {
        if (token.index >= sums.count) {
          throw protocolError(
            `block ${token.index} of ${sums.count} for "${transfer.job.entry.name}"`,
            EXIT.PROTOCOL,
          );
        }
        const offset = blockOffsetAt(sums, token.index);
        const length = blockLengthAt(sums, token.index);
        if (runLength === 0 || offset !== runOffset + runLength || runLength >= RUN_BYTES) {
          copyRun();
          runOffset = offset;
          // A few bytes of input can stand for gigabytes of the basis.
          if (this.#slices.over) await this.#slices.rest();
        }
        runLength += length;
      } else {
        copyRun();
        return intact;
      }
    }
  }

  /** The content is right: attributes, then the name. */
  async #publish(transfer: Transfer, temporary: OpenFile): Promise<void> {
    const { entry } = transfer.job;
    const { attributes, options } = this.#context;
    let place = placeOf(this.#context, entry);
    const isNew = (transfer.flags & ITEM.IS_NEW) !== 0;
    let before = isNew ? undefined : attributes.lstat(place.directory, place.name);
    const old = isNew ? undefined : place;
    attributes.applyToFile(place.directory, temporary.fd, entry, before, old);
    if (options.fsync) fs.fsyncSync(temporary.fd);
    if (temporary.isInPlace) return;
    if (isNew) {
      try {
        place.directory.rename(temporary.name, place.directory, place.name);
        return;
      } catch (error) {
        // A directory is in the way. Hardly ever, so that it is not worth a look at each new file.
        if (errorCode(error) !== "EISDIR") throw error;
        before = place.directory.lstat(place.name);
      }
    }
    if (before && isDirectory(before)) {
      this.#context.tree.forget(entry.name);
      if (deleteTime(options) || options.force) {
        const name = this.#context.fileName ?? baseNameOf(entry.name);
        await this.#deletion.makeWay(directoryOf(entry.name), name);
      } else {
        place.directory.rmdir(place.name);
      }
      place = placeOf(this.#context, entry);
    }
    place.directory.rename(temporary.name, place.directory, place.name);
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
    this.#context.again.push({ ...job, redo: true });
    this.#context.progress.wake();
  }

  #failed(transfer: Transfer, error: unknown): void {
    fail(this.#context, transfer.job, "cannot write", error);
  }
}

function outcomeOf(transfer: Transfer): "new" | "updated" {
  return transfer.flags & ITEM.IS_NEW ? "new" : "updated";
}

function sameSums(a: SumHeader, b: SumHeader): boolean {
  return (
    a.count === b.count &&
    a.blockLength === b.blockLength &&
    a.strongLength === b.strongLength &&
    a.remainder === b.remainder
  );
}
