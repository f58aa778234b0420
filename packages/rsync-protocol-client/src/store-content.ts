import { createHash, type Hash } from "node:crypto";
import { asRsyncError, type FileHasher } from "@dialhome/rsync-protocol";
import { type BasisReader, closeSource, readNext } from "./basis-source.ts";
import type { ContentWriter, Destination } from "./destination.ts";
import { fail } from "./entry-results.ts";
import { tellPublished } from "./file-assembly.ts";
import type { SessionContext, Transfer } from "./pull-context.ts";
import type { ContentTarget, FinishedContent } from "./pull-side.ts";
import { describeFailure } from "./tally.ts";

/** Bytes that are gathered before they are handed to a store. */
const CHUNK_BYTES = 256 * 1024;

/** The content of files that go to a store: handed over in chunks, each awaited, and committed when it was verified. */
export class StoreContent implements ContentTarget {
  readonly #context: SessionContext;
  readonly #store: Destination;
  readonly #hasher: FileHasher;
  /** Commits that are under way. */
  readonly #committing = new Set<Promise<void>>();
  #transfer: Transfer | undefined;
  #writer: ContentWriter | undefined;
  #basis: BasisReader | undefined;
  #digest: Hash | undefined;
  #chunk: Buffer | undefined;
  #fill = 0;
  /** Bytes in chunks that are full. */
  #size = 0;
  #full: Buffer[] = [];
  #failure: unknown;

  constructor(context: SessionContext, store: Destination) {
    this.#context = context;
    this.#store = store;
    this.#hasher = context.terms.checksum.fileHasher();
  }

  async begin(transfer: Transfer): Promise<boolean> {
    const { entry, stored } = transfer.job;
    const { contentDigest } = this.#context.options;
    this.#transfer = transfer;
    this.#failure = undefined;
    this.#chunk = undefined;
    this.#fill = 0;
    this.#size = 0;
    this.#full = [];
    this.#hasher.reset();
    this.#digest = contentDigest && createHash(contentDigest);
    if (transfer.sums.count > 0 && stored) {
      try {
        this.#basis = await this.#store.openBasis?.(entry.name, stored);
      } catch {
        // Then its blocks are missing, and the file is asked for once more.
      }
    }
    try {
      this.#writer = await this.#store.create(entry, stored);
    } catch (error) {
      this.#failure = error;
    }
    return true;
  }

  write(data: Buffer): Promise<void> | undefined {
    if (this.#failure !== undefined) return undefined;
    for (let at = 0; at < data.length; ) {
      const room = this.#room();
      const count = data.copy(room, 0, at);
      at += count;
      this.#filled(count);
    }
    return this.#full.length > 0 ? this.#handOver() : undefined;
  }

  async copy(offset: number, length: number): Promise<boolean> {
    if (!this.#basis) return false;
    for (let at = 0; at < length && this.#failure === undefined; ) {
      const room = this.#room();
      try {
        const piece = room.subarray(0, Math.min(room.length, length - at));
        const count = await readNext(this.#basis, piece, offset + at);
        if (count === 0) return false;
        at += count;
        this.#filled(count);
      } catch (error) {
        this.#failure = error;
      }
      await this.#handOver();
      this.#context.wire.assertAlive();
    }
    return true;
  }

  async block(offset: number, length: number): Promise<Buffer> {
    const content = Buffer.alloc(length);
    try {
      for (let at = 0; this.#basis && at < length; ) {
        const count = await readNext(this.#basis, content.subarray(at), offset + at);
        if (count === 0) break;
        at += count;
      }
    } catch (error) {
      this.#failure ??= error;
    }
    return content;
  }

  get failure(): unknown {
    return this.#failure;
  }

  async finish(): Promise<FinishedContent> {
    this.#seal();
    await this.#handOver();
    const checksum = this.#hasher.digest();
    const digest = this.#digest?.digest();
    return { checksum, digest, size: this.#size, failure: this.#failure };
  }

  async publish(checksum: Uint8Array, digest: Uint8Array | undefined): Promise<boolean> {
    const [transfer, writer] = [this.#transfer, this.#writer];
    if (!transfer || !writer) throw new Error("no file is open");
    // Whatever comes of it, it is not aborted after this.
    this.#writer = undefined;
    const { concurrency = 1 } = this.#store;
    const content = { size: this.#size, checksum, digest };
    if (concurrency === 1) {
      await writer.commit(content);
      return true;
    }
    const committing = this.#commit(transfer, writer, content).finally(() => {
      this.#committing.delete(committing);
    });
    this.#committing.add(committing);
    if (this.#committing.size >= concurrency) await Promise.race(this.#committing);
    return false;
  }

  async discard(isComplete: boolean): Promise<void> {
    const reason = isComplete ? new Error("the checksum is wrong") : this.#failure;
    await this.#abort(reason instanceof Error ? reason : new Error("it could not be written"));
  }

  async abandon(): Promise<void> {
    await this.#abort(new Error("the file did not come to its end"));
  }

  async close(): Promise<void> {
    const basis = this.#basis;
    this.#basis = undefined;
    this.#transfer = undefined;
    if (!basis) return;
    await this.#quietly("cannot close the basis of a file", () => closeSource(basis));
  }

  /** Resolves when no commit is under way. */
  async settled(): Promise<void> {
    await Promise.all(this.#committing);
  }

  async #abort(reason: Error): Promise<void> {
    const writer = this.#writer;
    this.#writer = undefined;
    this.#full = [];
    if (!writer) return;
    await this.#quietly("cannot abort the writing of a file", () => writer.abort(reason));
  }

  /** Never rejects: what ends the session ends it by the wire. */
  async #commit(
    transfer: Transfer,
    writer: ContentWriter,
    content: Parameters<ContentWriter["commit"]>[0],
  ): Promise<void> {
    const { job } = transfer;
    try {
      try {
        await this.#context.wire.busyWith(Promise.resolve(writer.commit(content)));
      } catch (error) {
        fail(this.#context, job, "cannot write", error);
        return;
      }
      tellPublished(this.#context, transfer, content);
    } catch (error) {
      this.#context.wire.fail(asRsyncError(error));
      this.#context.progress.wake();
    }
  }

  async #quietly(what: string, call: () => void | Promise<void>): Promise<void> {
    try {
      await call();
    } catch (error) {
      const name = this.#transfer?.job.entry.name ?? "";
      const text = describeFailure(what, name, error);
      this.#context.tally.message({ level: "warning", text, fromPeer: false });
    }
  }

  /** Where the next bytes go. */
  #room(): Buffer {
    if (!this.#chunk) {
      const expected = (this.#transfer?.job.entry.size ?? 0) - this.#size;
      const length = expected > 0 ? Math.min(CHUNK_BYTES, expected) : CHUNK_BYTES;
      // The store may keep it: nothing else lies in it.
      this.#chunk = Buffer.allocUnsafeSlow(length);
    }
    return this.#chunk.subarray(this.#fill);
  }

  #filled(count: number): void {
    this.#fill += count;
    if (this.#fill === this.#chunk?.length) this.#seal();
  }

  #seal(): void {
    const chunk = this.#chunk?.subarray(0, this.#fill);
    this.#chunk = undefined;
    this.#fill = 0;
    if (!chunk || chunk.length === 0) return;
    this.#hasher.update(chunk);
    this.#digest?.update(chunk);
    this.#size += chunk.length;
    this.#full.push(chunk);
  }

  async #handOver(): Promise<void> {
    const full = this.#full;
    this.#full = [];
    for (const chunk of full) {
      if (this.#failure !== undefined || !this.#writer) return;
      try {
        await this.#writer.write(chunk);
      } catch (error) {
        this.#failure = error;
      }
    }
  }
}
