import { closeSync, fstatSync, readSync } from "node:fs";
import {
  BASIS,
  BlockSearch,
  type BlockSums,
  basisLength,
  blockLengthAt,
  CAPABILITY,
  type FileHasher,
  type Item,
  LIMITS,
  type NdxCodec,
  TAG,
  writeItem,
  writeSumHeader,
  writeXattrValues,
  type XattrValue,
} from "@dialhome/rsync-protocol";
import { LITERAL_BYTES, READ_BYTES, STEP_BYTES } from "./constants.ts";
import { openForReading } from "./directory-scan.ts";
import { assertSystemError } from "./report.ts";
import type { Session } from "./session.ts";
import type { SourceEntry } from "./source.ts";

/** A file that is being sent. */
interface OpenFile {
  readonly fd: number;
  /** Bytes, as of the moment it was opened: no more than these are sent. */
  readonly size: number;
}

/** How a file is asked for. */
export interface SendOptions {
  readonly sums: BlockSums;
  /** The client keeps what it has, and wants what lies behind. */
  readonly isAppended: boolean;
  /** Values of attributes that it asked for too. */
  readonly xattrs: readonly XattrValue[] | undefined;
}

/** Answers requests for content: as literal data, or as a delta against the client's blocks. */
export class FileSender {
  readonly #session: Session;
  readonly #ndx: NdxCodec;
  readonly #hasher: FileHasher;
  /** Made for the first delta: most sessions of a first backup need none. */
  #search: BlockSearch | undefined;

  constructor(session: Session, ndx: NdxCodec) {
    this.#session = session;
    this.#ndx = ndx;
    this.#hasher = session.checksum.fileHasher();
  }

  /** Sends the reply to a request, or the message that none will come. */
  async send(
    entry: SourceEntry,
    item: Item,
    { sums, isAppended, xattrs }: SendOptions,
  ): Promise<void> {
    const { wire, report, rules, progress, traits } = this.#session;
    const before = progress.literalBytes;
    const file = this.#open(entry);
    if (file === undefined) {
      if (traits.tellsUnsent) {
        wire.flush();
        wire.intMessage(TAG.NO_SEND, item.ndx);
      }
      return;
    }
    try {
      writeItem(wire.out, this.#ndx, item);
      if (xattrs) writeXattrValues(wire.out, xattrs);
      writeSumHeader(wire.out, sums.header);
      this.#hasher.reset();
      let failure: unknown;
      if (sums.header.count === 0 || isTooLarge(sums)) failure = await this.#sendWhole(file);
      else if (isAppended) failure = await this.#sendRest(file, basisLength(sums.header));
      else failure = await this.#sendDelta(file, sums, this.#isOverwritten(item.basis));
      this.#session.tokens.end(wire.out);
      const digest = this.#hasher.digest();
      if (failure !== undefined) {
        // A sum known to be wrong makes the receiver drop what it has and ask again.
        digest[digest.length - 1] = (digest.at(-1) ?? 0) ^ 1;
        report.failed("read errors mapping", entry.source.label(entry.name), failure);
      }
      wire.out.bytes(digest);
      wire.pushFull();
      progress.filesSent++;
      rules.onFileSent?.({
        path: entry.source.path(entry.name),
        size: file.size,
        literalBytes: progress.literalBytes - before,
      });
    } finally {
      closeSync(file.fd);
    }
  }

  #open(entry: SourceEntry): OpenFile | undefined {
    const { report, rules } = this.#session;
    const label = entry.source.label(entry.name);
    let fd = -1;
    try {
      fd = openForReading(entry.source, entry.name, rules.noAtime);
      const stat = fstatSync(fd);
      if (stat.isFile()) return { fd, size: stat.size };
      closeSync(fd);
      report.failed("send_files failed to open", label, new Error("Not a regular file"));
      return undefined;
    } catch (error) {
      if (fd >= 0) closeSync(fd);
      assertSystemError(error);
      report.failedOrVanished("send_files failed to open", label, error);
      return undefined;
    }
  }

  /** @returns what kept it from being read whole */
  async #sendWhole(file: OpenFile): Promise<unknown> {
    return this.#eachPiece(file, 0, file.size, (piece) => this.#sendLiteral(piece));
  }

  /**
   * Sends what lies behind the part that the client has. The file's sum is over what is sent, and with
   * `--append-verify`, or below protocol 30, over everything.
   */
  async #sendRest(file: OpenFile, had: number): Promise<unknown> {
    if (had > file.size) return shrunk();
    if (this.#session.options.append > 1 || this.#session.traits.appendVerifies) {
      const failure = await this.#eachPiece(file, 0, had, (piece) => this.#hasher.update(piece));
      if (failure !== undefined) return failure;
    }
    return this.#eachPiece(file, had, file.size, (piece) => this.#sendLiteral(piece));
  }

  #sendLiteral(piece: Buffer): void {
    this.#hasher.update(piece);
    this.#writeLiteral(piece);
  }

  #writeLiteral(data: Uint8Array): void {
    const { wire, progress, tokens } = this.#session;
    for (let at = 0; at < data.length; at += LITERAL_BYTES) {
      tokens.literal(wire.out, data.subarray(at, at + LITERAL_BYTES));
      wire.pushFull();
    }
    progress.literalBytes += data.length;
  }

  /** Reads from `start` to `end`; resolves with what kept it from getting there. */
  async #eachPiece(
    file: OpenFile,
    start: number,
    end: number,
    take: (piece: Buffer) => void,
  ): Promise<unknown> {
    const { pace } = this.#session;
    // Where it is hashed without being copied.
    const buffer = this.#session.checksum.kernel.content.subarray(0, READ_BYTES);
    for (let at = start; at < end; ) {
      let got = 0;
      try {
        got = readSync(file.fd, buffer, 0, Math.min(end - at, buffer.length), at);
      } catch (error) {
        return error;
      }
      if (got === 0) return shrunk();
      take(buffer.subarray(0, got));
      at += got;
      if (pace.over) await pace.rest();
    }
    return undefined;
  }

  /** Whether the client writes over what its sums are of: then it no longer has what lies behind. */
  #isOverwritten(basis: number): boolean {
    const { options, traits } = this.#session;
    if (basis === BASIS.FILE) return options.inplace || options.append > 0;
    const { capabilities } = options;
    return (
      basis === BASIS.PARTIAL_DIR &&
      traits.hasCompatFlags &&
      capabilities.includes(CAPABILITY.INPLACE_PARTIAL)
    );
  }

  /** @returns what kept it from being read whole */
  async #sendDelta(file: OpenFile, sums: BlockSums, isOverwritten: boolean): Promise<unknown> {
    const { wire, pace, progress, checksum, tokens } = this.#session;
    let left = file.size;
    let failure: unknown;
    const read = (target: Uint8Array, start: number, length: number): number => {
      if (left === 0 || failure !== undefined) return 0;
      let got = 0;
      try {
        got = readSync(file.fd, target, start, Math.min(left, length), null);
      } catch (error) {
        failure = error;
      }
      if (got === 0) failure ??= shrunk();
      this.#hasher.update(target.subarray(start, start + got));
      left -= got;
      return got;
    };
    const literal = (data: Uint8Array, start: number, end: number): void => {
      this.#writeLiteral(data.subarray(start, end));
    };
    const match = (index: number, data: Uint8Array, start: number, end: number): void => {
      tokens.block(wire.out, index, data, start, end);
      progress.matchedBytes += blockLengthAt(sums.header, index);
    };
    this.#search ??= new BlockSearch(checksum);
    this.#search.begin(sums, { read }, { literal, match }, isOverwritten);
    while (!this.#search.step(STEP_BYTES)) {
      wire.pushFull();
      if (pace.over) await pace.rest();
    }
    return failure;
  }
}

/** Such blocks are legal below protocol 30. They would need as much memory, so that nothing is looked for. */
function isTooLarge({ header }: BlockSums): boolean {
  return header.blockLength > LIMITS.blockBytes;
}

function shrunk(): Error {
  return new Error("No data available (61)");
}
