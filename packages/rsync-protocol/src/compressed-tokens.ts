import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { protocolError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";
import { END_OF_TOKENS, type Token, type TokenReader, type TokenWriter } from "./tokens.ts";

/** The first byte of each token in a compressed session; rsync's token.c. */
const HEAD = {
  END: 0x00,
  /** One block by its number, an int. */
  LONG: 0x20,
  /** A run of blocks by the number of its first. */
  LONG_RUN: 0x21,
  /** Compressed data; the low six bits are the high ones of its length. */
  DATA: 0x40,
  /** One block; the low six bits are its distance from the last one named. */
  NEAR: 0x80,
  NEAR_RUN: 0xc0,
  KIND: 0xc0,
  LOW_BITS: 0x3f,
} as const;

/** Longest packet of compressed data, in bytes: its length has 14 bits. */
export const MAX_PACKET_BYTES = 16_383;

/** Longest run of blocks: the count of those that follow the first has 16 bits. */
const MAX_RUN_BLOCKS = 65_536;

/** Takes packets of compressed data apart: synchronous, with bounded pieces. One object serves one session. */
export interface Unpacker {
  /** Starts on a packet. The one before has been pulled empty; `data` is used until this one is. */
  push(data: Buffer): void;
  /** The next piece of output, valid until the next call; undefined when what was pushed is used up. */
  pull(): Buffer | undefined;
  /** A block or the end follows the packets so far: what they hold must come out. Pull afterwards. */
  flush(): void;
  /** A file has ended. */
  reset(): void;
  /** Where compressed data may refer to blocks of the receiver's basis: takes the content of one. */
  matched?(data: Uint8Array): void;
}

/** Makes packets of compressed data. One object serves one session. */
export interface Packer {
  /** Compresses `data`, and emits what comes of it. What was compressed before has been emitted, apart from a few bytes. */
  add(data: Uint8Array, emit: (compressed: Uint8Array) => void): void;
  /** A block or the end follows: emits what the receiver needs to have everything that was added. */
  flush(emit: (compressed: Uint8Array) => void): void;
  /** A file has ended. */
  reset(): void;
  /** Where compressed data may refer to blocks of the receiver's basis: takes the content of one. */
  matched?(data: Uint8Array): void;
}

/** A token's first bytes: a packet, `count` blocks from `first` on, or the end (no block). */
type Head =
  | { readonly packet: Buffer }
  | { readonly packet: undefined; readonly first: number; readonly count: number };

/** Reads the tokens of a compressed session. */
export class CompressedTokenReader implements TokenReader {
  readonly #unpacker: Unpacker;
  /** The last block named in this file. */
  #base = 0;
  #next = 0;
  #runLeft = 0;
  /** Packets have come since the last block. */
  #unflushed = false;
  #ended = false;
  readonly #decode = (reader: ByteReader): Head => this.#readHead(reader);

  constructor(unpacker: Unpacker) {
    this.#unpacker = unpacker;
  }

  get needsBlocks(): boolean {
    return this.#unpacker.matched !== undefined;
  }

  read(reader: ByteReader): Token | undefined {
    for (;;) {
      const data = this.#unpacker.pull();
      if (data !== undefined) return { is: "literal", data };
      if (this.#runLeft > 0) {
        this.#runLeft--;
        return { is: "block", index: this.#next++ };
      }
      if (this.#ended) {
        this.#ended = false;
        this.#base = 0;
        this.#unpacker.reset();
        return END_OF_TOKENS;
      }
      const head = reader.attempt(this.#decode);
      if (head === undefined) return undefined;
      if (head.packet !== undefined) {
        this.#unpacker.push(head.packet);
        this.#unflushed = true;
        continue;
      }
      if (this.#unflushed) this.#unpacker.flush();
      this.#unflushed = false;
      this.#ended = head.count === 0;
      this.#next = head.first;
      this.#runLeft = head.count;
      this.#base = head.first + Math.max(0, head.count - 1);
    }
  }

  matched(data: Uint8Array): void {
    this.#unpacker.matched?.(data);
  }

  #readHead(reader: ByteReader): Head {
    const head = reader.byte();
    const low = head & HEAD.LOW_BITS;
    switch (head & HEAD.KIND) {
      case HEAD.DATA:
        return { packet: reader.bytes((low << 8) | reader.byte()) };
      case HEAD.NEAR:
        return { packet: undefined, first: this.#base + low, count: 1 };
      case HEAD.NEAR_RUN:
        return { packet: undefined, first: this.#base + low, count: readRunCount(reader) };
      default:
    }
    if (head === HEAD.END) return { packet: undefined, first: 0, count: 0 };
    if (head !== HEAD.LONG && head !== HEAD.LONG_RUN) {
      throw protocolError(`compressed token that begins with 0x${head.toString(16)}`);
    }
    const first = reader.int();
    if (first < 0) throw protocolError(`compressed token names block ${first}`, EXIT.PROTOCOL);
    return { packet: undefined, first, count: head === HEAD.LONG ? 1 : readRunCount(reader) };
  }
}

function readRunCount(reader: ByteReader): number {
  return reader.shortint() + 1;
}

/** Writes the tokens of a compressed session. */
export class CompressedTokenWriter implements TokenWriter {
  readonly #packer: Packer;
  /** The last block named in this file. */
  #base = 0;
  #runStart = 0;
  #runLength = 0;
  /** Data was added since the last block. */
  #unflushed = false;
  #out: ByteWriter | undefined;
  readonly #emit = (compressed: Uint8Array): void => this.#writePackets(compressed);

  constructor(packer: Packer) {
    this.#packer = packer;
  }

  literal(out: ByteWriter, data: Uint8Array): void {
    if (data.length === 0) return;
    this.#writeRun(out);
    this.#out = out;
    this.#packer.add(data, this.#emit);
    this.#unflushed = true;
  }

  block(out: ByteWriter, index: number, data: Uint8Array, start: number, end: number): void {
    this.#flush(out);
    const goesOn = index === this.#runStart + this.#runLength && this.#runLength < MAX_RUN_BLOCKS;
    if (this.#runLength > 0 && goesOn) {
      this.#runLength++;
    } else {
      this.#writeRun(out);
      this.#runStart = index;
      this.#runLength = 1;
    }
    if (this.#packer.matched) this.#packer.matched(data.subarray(start, end));
  }

  end(out: ByteWriter): void {
    this.#writeRun(out);
    this.#flush(out);
    out.byte(HEAD.END);
    this.#base = 0;
    this.#packer.reset();
  }

  #flush(out: ByteWriter): void {
    if (!this.#unflushed) return;
    this.#out = out;
    this.#packer.flush(this.#emit);
    this.#unflushed = false;
  }

  #writeRun(out: ByteWriter): void {
    if (this.#runLength === 0) return;
    const near = this.#runStart - this.#base;
    const isRun = this.#runLength > 1;
    if (near >= 0 && near <= HEAD.LOW_BITS) {
      out.byte((isRun ? HEAD.NEAR_RUN : HEAD.NEAR) | near);
    } else {
      out.byte(isRun ? HEAD.LONG_RUN : HEAD.LONG);
      out.int(this.#runStart);
    }
    if (isRun) out.shortint(this.#runLength - 1);
    this.#base = this.#runStart + this.#runLength - 1;
    this.#runLength = 0;
  }

  #writePackets(compressed: Uint8Array): void {
    const out = this.#out;
    if (out === undefined) return;
    for (let at = 0; at < compressed.length; at += MAX_PACKET_BYTES) {
      const packet = compressed.subarray(at, at + MAX_PACKET_BYTES);
      out.byte(HEAD.DATA | (packet.length >> 8));
      out.byte(packet.length & 0xff);
      out.bytes(packet);
    }
  }
}
