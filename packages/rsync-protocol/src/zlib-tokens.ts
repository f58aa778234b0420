import { constants, deflateRawSync } from "node:zlib";
import {
  Z_BUF_ERROR,
  Z_OK,
  Z_SYNC_FLUSH,
  ZStream,
  zlibInflate,
  zlibInflateInit2,
  zlibInflateReset,
  zlibInflateSetDictionary,
} from "pako";
import type { Packer, Unpacker } from "./compressed-tokens.ts";
import { protocolError } from "./errors.ts";

/** How far deflate reaches back, in bytes. */
const WINDOW_BYTES = 32 * 1024;

/** Largest piece of output, in bytes. */
const PIECE_BYTES = 64 * 1024;

/** An empty stored block: what a sync flush ends in. It is left off before a block or the end, and put back by the receiver. */
const FLUSH_MARK: Buffer = Buffer.from([0, 0, 0xff, 0xff]);

/** Longest stored block of deflate; blocks of the basis enter the history in pieces of it. */
const STORED_BYTES = 65_535;

export interface ZlibOptions {
  /** `zlib` refers to matched blocks of the basis, `zlibx` does not. */
  readonly withBlocks: boolean;
  readonly protocol: number;
}

/**
 * What a block of the basis adds to the history. Before protocol 31 rsync adds the beginning of a long block again instead
 * of its rest (token.c): both sides must.
 */
function* historyOf(block: Uint8Array, protocol: number): Generator<Uint8Array> {
  for (let at = 0; at < block.length; at += STORED_BYTES) {
    const length = Math.min(STORED_BYTES, block.length - at);
    const start = protocol >= 31 ? at : 0;
    yield block.subarray(start, start + length);
  }
}

/** One raw deflate stream for each file. */
export class ZlibUnpacker implements Unpacker {
  readonly #stream = new ZStream();
  readonly #output = Buffer.allocUnsafeSlow(PIECE_BYTES);
  /** There may be output that was not pulled. */
  #pending = false;
  readonly matched?: (data: Uint8Array) => void;

  constructor({ withBlocks, protocol }: ZlibOptions) {
    zlibInflateInit2(this.#stream, -15);
    if (!withBlocks) return;
    this.matched = (data) => {
      for (const piece of historyOf(data, protocol)) zlibInflateSetDictionary(this.#stream, piece);
    };
  }

  push(data: Buffer): void {
    const stream = this.#stream;
    stream.input = data;
    stream.next_in = 0;
    stream.avail_in = data.length;
    this.#pending = true;
  }

  pull(): Buffer | undefined {
    if (!this.#pending) return undefined;
    const stream = this.#stream;
    stream.output = this.#output;
    stream.next_out = 0;
    stream.avail_out = PIECE_BYTES;
    const status = zlibInflate(stream, Z_SYNC_FLUSH);
    // BUF_ERROR: nothing was left to do. The end of the stream is an error too: rsync's never ends.
    if (status !== Z_OK && status !== Z_BUF_ERROR) {
      throw protocolError(`compressed data: not in deflate's form (${status})`);
    }
    this.#pending = stream.avail_out === 0 || stream.avail_in > 0;
    return stream.next_out === 0 ? undefined : this.#output.subarray(0, stream.next_out);
  }

  flush(): void {
    this.push(FLUSH_MARK);
  }

  reset(): void {
    zlibInflateReset(this.#stream);
  }
}

/**
 * Makes one raw deflate stream of each file, a piece at a time: each piece is compressed by itself with what came before as its
 * dictionary, and ends in a sync flush, so that the pieces are one stream. So blocks of the basis can enter the history, which
 * `node:zlib` has no other way for, and everything is synchronous.
 */
export class ZlibPacker implements Packer {
  readonly #level: number;
  /** The last bytes of the file, of which at most {@link WINDOW_BYTES} count. */
  readonly #history = Buffer.allocUnsafeSlow(4 * WINDOW_BYTES);
  #historyLength = 0;
  /** The mark of the last piece was not sent yet: it must be when more data follows. */
  #owesMark = false;
  readonly matched?: (data: Uint8Array) => void;

  constructor(level: number, { withBlocks, protocol }: ZlibOptions) {
    this.#level = level;
    if (!withBlocks) return;
    this.matched = (data) => {
      for (const piece of historyOf(data, protocol)) this.#remember(piece);
    };
  }

  add(data: Uint8Array, emit: (compressed: Uint8Array) => void): void {
    if (this.#owesMark) emit(FLUSH_MARK);
    const compressed = deflateRawSync(data, {
      level: this.#level,
      finishFlush: constants.Z_SYNC_FLUSH,
      chunkSize: Math.min(PIECE_BYTES, data.length + 64),
      ...this.#dictionaryFor(data.length),
    });
    emit(compressed.subarray(0, compressed.length - FLUSH_MARK.length));
    this.#owesMark = true;
    this.#remember(data);
  }

  flush(): void {
    this.#owesMark = false;
  }

  reset(): void {
    this.#historyLength = 0;
  }

  /** Reading a dictionary takes time of its own: for a short piece only the nearest part of the history is worth it. */
  #dictionaryFor(length: number): { dictionary?: Buffer } {
    const count = Math.min(WINDOW_BYTES, this.#historyLength, Math.max(1024, length * 8));
    if (count === 0) return {};
    const end = this.#historyLength;
    return { dictionary: this.#history.subarray(end - count, end) };
  }

  #remember(data: Uint8Array): void {
    const added = data.length > WINDOW_BYTES ? data.subarray(data.length - WINDOW_BYTES) : data;
    if (this.#historyLength + added.length > this.#history.length) {
      this.#history.copyWithin(0, this.#historyLength - WINDOW_BYTES, this.#historyLength);
      this.#historyLength = WINDOW_BYTES;
    }
    this.#history.set(added, this.#historyLength);
    this.#historyLength += added.length;
  }
}
