import * as fs from "node:fs";
import {
  BASIS,
  type ByteReader,
  baseNameOf,
  basisLength,
  blockLengthAt,
  blockOffsetAt,
  directoryOf,
  EXIT,
  ITEM,
  protocolError,
  RsyncError,
  type TokenReader,
} from "@dialhome/rsync-protocol";
import { nameBytes } from "./destination-tree.ts";
import { FileWriter } from "./file-writer.ts";
import type { IncomingFile, IncomingFiles } from "./incoming-files.ts";
import { assertGoingOn, fail, giveUp, pathOf, placeOf, succeed } from "./placement.ts";
import type { PullContext, Transfer } from "./pull-context.ts";
import type { Slices } from "./slices.ts";

/** Blocks of a basis that lie side by side are copied in one go, up to this many bytes. */
const RUN_BYTES = 256 * 1024;

/**
 * Puts files together from what the sender sends and what is here: each is rebuilt under a temporary name, verified, given its
 * attributes and then its name; in a private destination a new one has its name from the start, and loses it when it turns out wrong.
 */
export class FileAssembly {
  readonly #context: PullContext;
  readonly #incoming: IncomingFiles;
  readonly #tokens: TokenReader;
  readonly #writer: FileWriter;
  readonly #slices: Slices;
  readonly #readSum = (reader: ByteReader): Buffer =>
    Buffer.from(reader.bytes(this.#context.terms.checksum.digestLength));

  constructor(context: PullContext, incoming: IncomingFiles, slices: Slices) {
    this.#context = context;
    this.#incoming = incoming;
    this.#slices = slices;
    this.#tokens = context.terms.tokens;
    this.#writer = new FileWriter(context.terms.checksum.fileHasher(), {
      sparse: context.options.sparse === true,
      contentDigest: context.options.contentDigest,
    });
  }

  /** Rebuilds one file. Its tokens are read to the end whatever happens to the file. */
  async rebuild(transfer: Transfer): Promise<void> {
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

/** Whether a file is new here, as it was asked for. */
export function outcomeOf(transfer: Transfer): "new" | "updated" {
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
