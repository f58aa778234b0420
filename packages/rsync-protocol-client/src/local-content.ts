import * as fs from "node:fs";
import { BASIS, baseNameOf, basisLength, directoryOf } from "@dialhome/rsync-protocol";
import { nameBytes } from "./destination-tree.ts";
import { FileWriter } from "./file-writer.ts";
import type { IncomingFile, IncomingFiles } from "./incoming-files.ts";
import { pathOf, placeOf } from "./placement.ts";
import type { PullContext, Transfer } from "./pull-context.ts";
import type { ContentTarget, FinishedContent } from "./pull-side.ts";
import { Slices } from "./slices.ts";

/** What stays at the beginning of a file is hashed in pieces of this size. */
const PIECE_BYTES = 256 * 1024;

/**
 * The content of files in a local tree, synchronous: each is written under a temporary name, given its attributes and then its name;
 * in a private destination a new one has its name from the start, and loses it when it turns out wrong.
 */
export class LocalContent implements ContentTarget {
  readonly #context: PullContext;
  readonly #incoming: IncomingFiles;
  readonly #writer: FileWriter;
  readonly #slices = new Slices();
  #transfer: Transfer | undefined;
  #file: IncomingFile | undefined;
  /** What opening it failed with. */
  #failure: unknown;
  #basis = -1;

  constructor(context: PullContext, incoming: IncomingFiles) {
    this.#context = context;
    this.#incoming = incoming;
    this.#writer = new FileWriter(context.terms.checksum, {
      sparse: context.options.sparse === true,
      contentDigest: context.options.contentDigest,
    });
  }

  begin(transfer: Transfer): boolean | Promise<boolean> {
    this.#transfer = transfer;
    this.#failure = undefined;
    if (transfer.sums.count > 0) this.#basis = this.#openBasis(transfer);
    try {
      this.#file = this.#incoming.open(transfer);
    } catch (error) {
      this.#failure = error;
    }
    const { append, sums } = transfer;
    const stage = this.#file?.stage;
    const isOver = stage === "in-place" || stage === "partial";
    const from = append ? basisLength(sums) : 0;
    // With --inplace it may be a file of another directory (--copy-dest).
    const isBasis =
      stage === "partial" || transfer.basis === BASIS.FILE || transfer.basis === BASIS.BACKUP;
    this.#writer.begin(this.#file?.fd ?? -1, isOver ? { from, isBasis } : undefined);
    if (!append) return true;
    const { options, terms } = this.#context;
    const verifies = options.append === "verify" || terms.traits.appendVerifies;
    return verifies ? this.#hashBefore(from) : true;
  }

  write(data: Buffer): undefined {
    this.#writer.write(data);
  }

  copy(offset: number, length: number): boolean {
    return this.#basis >= 0 && this.#writer.copy(this.#basis, offset, length);
  }

  block(offset: number, length: number): Buffer {
    const content = Buffer.alloc(length);
    if (this.#basis < 0) return content;
    for (let at = 0; at < length; ) {
      const got = fs.readSync(this.#basis, content, at, length - at, offset + at);
      if (got === 0) break;
      at += got;
    }
    return content;
  }

  get failure(): unknown {
    return this.#failure ?? this.#writer.failure;
  }

  finish(): FinishedContent {
    const finished = this.#writer.finish();
    return this.#failure === undefined ? finished : { ...finished, failure: this.#failure };
  }

  async publish(): Promise<boolean> {
    const transfer = this.#transfer;
    if (!transfer || !this.#file) throw new Error("no file is open");
    await this.#incoming.publish(transfer, this.#file);
    if (!this.#context.delayed) this.#context.attributes.placed(transfer.job.entry);
    return true;
  }

  async discard(isComplete: boolean): Promise<void> {
    if (!this.#transfer || !this.#file) return;
    await this.#incoming.discard(this.#transfer, this.#file, isComplete);
  }

  async abandon(hasContent: boolean): Promise<void> {
    if (!this.#transfer || !this.#file) return;
    try {
      this.#writer.writeOut();
    } catch {
      // What ended the session tells more.
    }
    await this.#incoming.abandon(this.#transfer, this.#file, hasContent);
  }

  close(): void {
    if (this.#basis >= 0) fs.closeSync(this.#basis);
    this.#basis = -1;
    if (this.#file) fs.closeSync(this.#file.fd);
    this.#file = undefined;
    this.#transfer = undefined;
  }

  /** @returns false when what should stay is not there */
  async #hashBefore(length: number): Promise<boolean> {
    if (this.#basis < 0) return length === 0;
    for (let at = 0; at < length; at += PIECE_BYTES) {
      const piece = Math.min(PIECE_BYTES, length - at);
      if (!this.#writer.hashBefore(this.#basis, at, piece)) return false;
      if (this.#slices.over) await this.#rest();
    }
    return true;
  }

  /** In between, the session may have ended. */
  async #rest(): Promise<void> {
    await this.#slices.rest();
    this.#context.wire.assertAlive();
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
}
