import {
  type ByteReader,
  blockLengthAt,
  blockOffsetAt,
  EXIT,
  ITEM,
  protocolError,
  RsyncError,
  type TokenReader,
} from "@dialhome/rsync-protocol";
import { assertGoingOn, fail, giveUp, succeed } from "./entry-results.ts";
import type { SessionContext, Transfer } from "./pull-context.ts";
import type { ContentTarget, FinishedContent } from "./pull-side.ts";
import type { Slices } from "./slices.ts";

/** Blocks of a basis that lie side by side are copied in one go, up to this many bytes. */
const RUN_BYTES = 256 * 1024;

/**
 * Puts files together from what the sender sends and what is here, and verifies them: what is right is published, what is wrong is
 * asked for once more.
 */
export class FileAssembly {
  readonly #context: SessionContext;
  readonly #content: ContentTarget;
  readonly #tokens: TokenReader;
  readonly #slices: Slices;
  readonly #readSum = (reader: ByteReader): Buffer =>
    Buffer.from(reader.bytes(this.#context.terms.checksum.digestLength));

  constructor(context: SessionContext, content: ContentTarget, slices: Slices) {
    this.#context = context;
    this.#content = content;
    this.#slices = slices;
    this.#tokens = context.terms.tokens;
  }

  /** Rebuilds one file. Its tokens are read to the end whatever happens to the file. */
  async rebuild(transfer: Transfer): Promise<void> {
    const content = this.#content;
    const { entry } = transfer.job;
    const { wire, tally } = this.#context;
    let published: PublishedContent | undefined;
    const literalBefore = tally.literalBytes;
    try {
      const begun = content.begin(transfer);
      const isKept = typeof begun === "boolean" ? begun : await begun;
      if (content.failure !== undefined) {
        assertGoingOn("cannot write", entry.name, content.failure);
      }
      const isIntact = (await this.#readTokens(transfer)) && isKept;
      const expected = wire.reader.attempt(this.#readSum) ?? (await wire.read(this.#readSum));
      const finished = content.finish();
      const came = finished instanceof Promise ? await finished : finished;
      const { checksum, digest, size, failure } = came;
      if (failure !== undefined) {
        await content.discard(false);
        this.#failed(transfer, failure);
      } else if (!isIntact || !expected.equals(checksum)) {
        await content.discard(true);
        this.#mismatch(transfer);
      } else {
        const hasName = await content.publish(expected, digest);
        if (hasName) published = { checksum: expected, digest, size };
      }
    } catch (error) {
      // What is whole, but cannot get its place, is no beginning of anything.
      const isPart = error instanceof RsyncError && tally.literalBytes > literalBefore;
      await content.abandon(isPart);
      if (error instanceof RsyncError) throw error;
      this.#failed(transfer, error);
    } finally {
      const closing = content.close();
      if (closing) await closing;
    }
    if (published) tellPublished(this.#context, transfer, published);
  }

  /** @returns false when the basis is not what it was when it was summed up */
  async #readTokens(transfer: Transfer): Promise<boolean> {
    const content = this.#content;
    const { wire, tally } = this.#context;
    const { sums } = transfer;
    let intact = true;
    let runOffset = 0;
    let runLength = 0;
    const note = (copied: boolean): void => {
      intact &&= copied;
    };
    const copyRun = (): Promise<void> | undefined => {
      if (runLength === 0) return undefined;
      const copied = content.copy(runOffset, runLength);
      tally.matchedBytes += runLength;
      runLength = 0;
      if (typeof copied !== "boolean") return copied.then(note);
      note(copied);
      return undefined;
    };
    for (;;) {
      const token = this.#tokens.read(wire.reader);
      if (!token) {
        tally.progress(wire.bytesRead);
        // With the disk full there is no use in hearing the rest of the file.
        assertGoingOn("cannot write", transfer.job.entry.name, content.failure);
        await wire.more();
      } else if (token.is === "literal") {
        const before = copyRun();
        if (before) await before;
        tally.literalBytes += token.data.length;
        const written = content.write(token.data);
        if (written) await this.#afterWrite(written);
        // A few bytes of compressed data can stand for megabytes.
        if (this.#slices.over) {
          assertGoingOn("cannot write", transfer.job.entry.name, content.failure);
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
        if (this.#tokens.needsBlocks) {
          const block = content.block(offset, length);
          this.#tokens.matched(block instanceof Promise ? await block : block);
        }
        if (runLength === 0 || offset !== runOffset + runLength || runLength >= RUN_BYTES) {
          const before = copyRun();
          if (before) await before;
          runOffset = offset;
          // A few bytes of input can stand for gigabytes of the basis.
          if (this.#slices.over) await this.#rest();
        }
        runLength += length;
      } else {
        const last = copyRun();
        if (last) await last;
        return intact;
      }
    }
  }

  /** What has come can stand for hours of work: in between, the session may have ended. */
  async #rest(): Promise<void> {
    await this.#slices.rest();
    this.#context.wire.assertAlive();
  }

  /** However slow a store is, a session that has ended ends the waiting for it. */
  async #afterWrite(written: Promise<void>): Promise<void> {
    await written;
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

/** What came as a file's content. */
export type PublishedContent = Pick<FinishedContent, "checksum" | "digest" | "size">;

/** A file whose content came has its name. */
export function tellPublished(
  context: SessionContext,
  transfer: Transfer,
  content: PublishedContent,
): void {
  const { job, flags } = transfer;
  const told = { ...content, hasCome: true };
  succeed(context, job, outcomeOf(transfer), job.against ?? flags, told);
}

/** Whether a file is new here, as it was asked for. */
export function outcomeOf(transfer: Transfer): "new" | "updated" {
  const isNew = (transfer.flags & ITEM.IS_NEW) !== 0 && transfer.job.against === undefined;
  return isNew ? "new" : "updated";
}
