import type { Unpacker } from "./compressed-tokens.ts";
import { ZstdBits } from "./zstd-bits.ts";
import { corruptZstd } from "./zstd-fse.ts";
import { HuffmanTable } from "./zstd-huffman.ts";
import { SequenceReader, type SequenceSink } from "./zstd-sequences.ts";

/** Largest block, compressed or not, in bytes (RFC 8878, section 3.1.1.2.4). */
const BLOCK_BYTES = 128 * 1024;
/** Largest window that is accepted, in bytes: what libzstd takes unless it is told otherwise, and level 22 makes. */
const MAX_WINDOW_BYTES = 128 * 1024 * 1024;
/** Output is gathered behind the window until so much is there; then the window is moved to the beginning. */
const ROOM_BYTES = 4 * 1024 * 1024;
/** Longest head of a frame with its magic number. */
const MAX_HEAD_BYTES = 18;
/** Input that may wait: a whole block, and a packet behind it. */
const INPUT_BYTES: number = BLOCK_BYTES + 32 * 1024;
/** The window's memory begins with this, and grows with what is decoded. */
const FIRST_WINDOW_BYTES = 512 * 1024;

const MAGIC = 0xfd2fb528;
const SKIPPABLE_MAGIC = 0x184d2a50;

/** What comes next in the input. */
type State =
  | { readonly is: "frame" }
  | { readonly is: "block" }
  | { readonly is: "content"; readonly kind: number; readonly size: number }
  | { readonly is: "checksum" }
  | { readonly is: "skip" };

const FRAME: State = { is: "frame" };
const BLOCK: State = { is: "block" };

/**
 * Zstandard (RFC 8878) as it comes in: one stream for the whole session, in one frame or several. A block is decoded when all
 * of it is there, into the window that later ones refer to. Memory is bounded by the window, which is bounded itself; checksums of
 * frames are passed over, since each file has its own. Dictionaries are refused.
 *
 * fzstd 0.1.1 reads this too, and a third faster (74 MB/s, this 57), but makes room for whatever window is announced (2 GB for a peer's
 * 66 bytes), and hands pieces out as they come in rather than when there is room for them.
 */
export class ZstdUnpacker implements Unpacker, SequenceSink {
  #input = Buffer.alloc(0);
  #inputStart = 0;
  #inputEnd = 0;
  #state: State = FRAME;
  #lastBlock = false;
  #hasChecksum = false;
  /** Bytes of a skippable frame that are still to come. */
  #skip = 0;
  #windowBytes = 0;
  /** What the frame said of its length, and how much of it has come. */
  #frameBytes = Infinity;
  #frameFill = 0;
  #blockLimit = 0;
  /** The window, and what was decoded since. */
  #window = Buffer.alloc(0);
  #windowEnd = 0;
  #blockStart = 0;
  readonly #bits = new ZstdBits();
  readonly #huffman = new HuffmanTable();
  readonly #sequences = new SequenceReader();
  readonly #literals = Buffer.alloc(BLOCK_BYTES);
  #literalsAt = 0;
  #literalsEnd = 0;

  push(data: Buffer): void {
    if (this.#input.length === 0) this.#input = Buffer.alloc(INPUT_BYTES);
    if (this.#inputEnd + data.length > this.#input.length) {
      this.#input.copyWithin(0, this.#inputStart, this.#inputEnd);
      this.#inputEnd -= this.#inputStart;
      this.#inputStart = 0;
    }
    data.copy(this.#input, this.#inputEnd);
    this.#inputEnd += data.length;
  }

  pull(): Buffer | undefined {
    for (;;) {
      const before = this.#inputStart;
      const stateBefore = this.#state;
      const piece = this.#step();
      if (piece !== undefined && piece.length > 0) return piece;
      if (this.#inputStart === before && this.#state === stateBefore) return undefined;
    }
  }

  flush(): void {
    // The sender has flushed: every block is whole.
  }

  reset(): void {
    // The stream goes on with the next file.
  }

  /** Goes one state on if the input suffices; a block gives its content. */
  #step(): Buffer | undefined {
    const available = this.#inputEnd - this.#inputStart;
    switch (this.#state.is) {
      case "frame":
        this.#readFrameHead(available);
        return undefined;
      case "block":
        if (available >= 3) this.#readBlockHead();
        return undefined;
      case "content": {
        const { kind, size } = this.#state;
        const length = kind === 1 ? 1 : size;
        if (available < length) return undefined;
        const content = this.#decodeBlock(kind, size);
        this.#inputStart += length;
        if (!this.#lastBlock) this.#state = BLOCK;
        else if (this.#hasChecksum) this.#state = { is: "checksum" };
        else this.#endFrame();
        return content;
      }
      case "checksum":
        if (available < 4) return undefined;
        this.#inputStart += 4;
        this.#endFrame();
        return undefined;
      case "skip": {
        const count = Math.min(available, this.#skip);
        this.#inputStart += count;
        this.#skip -= count;
        if (this.#skip === 0) this.#state = FRAME;
        return undefined;
      }
      default:
        throw new Error(`no such state: ${String(this.#state satisfies never)}`);
    }
  }

  #endFrame(): void {
    if (this.#frameBytes !== Infinity && this.#frameFill !== this.#frameBytes) {
      throw corruptZstd(`a frame of ${this.#frameFill} bytes that should have ${this.#frameBytes}`);
    }
    this.#state = FRAME;
  }

  #readFrameHead(available: number): void {
    if (available < 5) return;
    const input = this.#input;
    const start = this.#inputStart;
    const magic = input.readUInt32LE(start);
    if ((magic & 0xfffffff0) >>> 0 === SKIPPABLE_MAGIC) {
      if (available < 8) return;
      this.#skip = input.readUInt32LE(start + 4);
      this.#inputStart += 8;
      this.#state = { is: "skip" };
      return;
    }
    if (magic !== MAGIC) throw corruptZstd(`a frame with the magic number 0x${magic.toString(16)}`);
    const flags = input[start + 4]!;
    const isSingle = (flags & 0x20) !== 0;
    const dictionaryBytes = [0, 1, 2, 4][flags & 3]!;
    const sizeBytes = [isSingle ? 1 : 0, 2, 4, 8][flags >> 6]!;
    const length = 5 + (isSingle ? 0 : 1) + dictionaryBytes + sizeBytes;
    if (length > MAX_HEAD_BYTES) throw corruptZstd("a frame's head is too long");
    if (available < length) return;
    if ((flags & 0x08) !== 0) throw corruptZstd("a reserved bit");
    let at = start + 5;
    let window = 0;
    if (!isSingle) {
      const base = 2 ** (10 + (input[at]! >> 3));
      window = base + (base / 8) * (input[at]! & 7);
      at++;
    }
    for (let i = 0; i < dictionaryBytes; i++) {
      if (input[at + i] !== 0) throw corruptZstd("a dictionary is asked for");
    }
    at += dictionaryBytes;
    this.#frameBytes = sizeBytes === 0 ? Infinity : readSize(input, at, sizeBytes);
    if (isSingle) window = this.#frameBytes;
    if (window > MAX_WINDOW_BYTES) {
      throw corruptZstd(`a window of ${window} bytes, limit ${MAX_WINDOW_BYTES}`);
    }
    this.#inputStart += length;
    this.#beginFrame(window, (flags & 0x04) !== 0);
  }

  #beginFrame(window: number, hasChecksum: boolean): void {
    this.#windowBytes = window;
    this.#blockLimit = Math.min(window, BLOCK_BYTES);
    this.#hasChecksum = hasChecksum;
    this.#frameFill = 0;
    this.#windowEnd = 0;
    this.#huffman.clear();
    this.#sequences.reset();
    this.#state = BLOCK;
  }

  #readBlockHead(): void {
    const head = this.#input.readUIntLE(this.#inputStart, 3);
    this.#inputStart += 3;
    this.#lastBlock = (head & 1) !== 0;
    const kind = (head >> 1) & 3;
    const size = head >> 3;
    if (kind === 3) throw corruptZstd("a block of a reserved kind");
    if (size > this.#blockLimit) {
      throw corruptZstd(`a block of ${size} bytes, limit ${this.#blockLimit}`);
    }
    this.#state = { is: "content", kind, size };
  }

  #decodeBlock(kind: number, size: number): Buffer {
    this.#makeRoom();
    const start = this.#windowEnd;
    this.#blockStart = start;
    const at = this.#inputStart;
    if (kind === 0) {
      this.#input.copy(this.#window, start, at, at + size);
      this.#windowEnd += size;
    } else if (kind === 1) {
      this.#window.fill(this.#input[at]!, start, start + size);
      this.#windowEnd += size;
    } else {
      this.#decodeSequences(at, at + size);
    }
    const count = this.#windowEnd - start;
    this.#frameFill += count;
    if (this.#frameFill > this.#frameBytes) {
      throw corruptZstd(`a frame of more than the ${this.#frameBytes} bytes that it should have`);
    }
    return this.#window.subarray(start, this.#windowEnd);
  }

  /** Sees to room for a block behind the window. */
  #makeRoom(): void {
    if (this.#window.length - this.#windowEnd >= BLOCK_BYTES) return;
    const keep = Math.min(this.#windowBytes, this.#windowEnd);
    const most = this.#windowBytes + Math.min(this.#windowBytes, ROOM_BYTES) + BLOCK_BYTES;
    if (this.#window.length < most) {
      const length = Math.min(most, Math.max(FIRST_WINDOW_BYTES, this.#window.length * 2));
      const larger = Buffer.allocUnsafeSlow(Math.max(length, keep + BLOCK_BYTES));
      this.#window.copy(larger, 0, this.#windowEnd - keep, this.#windowEnd);
      this.#window = larger;
    } else {
      this.#window.copyWithin(0, this.#windowEnd - keep, this.#windowEnd);
    }
    this.#windowEnd = keep;
  }

  #decodeSequences(start: number, end: number): void {
    const sequencesAt = this.#readLiterals(start, end);
    this.#sequences.read(this.#input, sequencesAt, end, this.#bits, this);
    const rest = this.#literalsEnd - this.#literalsAt;
    if (this.#windowEnd + rest - this.#blockStart > this.#blockLimit) throw tooLong();
    this.#literals.copy(this.#window, this.#windowEnd, this.#literalsAt, this.#literalsEnd);
    this.#windowEnd += rest;
  }

  sequence(literals: number, distance: number, length: number): void {
    const window = this.#window;
    let end = this.#windowEnd;
    let from = this.#literalsAt;
    if (from + literals > this.#literalsEnd) throw corruptZstd("more literals than there are");
    if (end + literals + length - this.#blockStart > this.#blockLimit) throw tooLong();
    if (literals < 16) {
      for (let i = literals; i > 0; i--) window[end++] = this.#literals[from++]!;
    } else {
      this.#literals.copy(window, end, from, from + literals);
      from += literals;
      end += literals;
    }
    this.#literalsAt = from;
    if (distance <= 0 || distance > Math.min(end, this.#windowBytes))
      throw corruptZstd(`a distance of ${distance} bytes`);
    if (distance >= length && length >= 24)
      window.copyWithin(end, end - distance, end - distance + length);
    else for (let i = end; i < end + length; i++) window[i] = window[i - distance]!;
    this.#windowEnd = end + length;
  }

  /** Decodes a block's literals (RFC 8878, section 3.1.1.3.1). @returns the offset behind them */
  #readLiterals(start: number, end: number): number {
    const input = this.#input;
    if (start >= end) throw corruptZstd("an empty block");
    const head = input[start]!;
    const kind = head & 3;
    const format = (head >> 2) & 3;
    if (kind < 2) return this.#readPlainLiterals(kind, format, start, end);
    const headBytes = [3, 3, 4, 5][format]!;
    if (start + headBytes > end) throw corruptZstd("literals that end early");
    const bits = [10, 10, 14, 18][format]!;
    const value = input.readUIntLE(start, headBytes);
    const size = Math.floor(value / 16) % 2 ** bits;
    const packed = Math.floor(value / 2 ** (4 + bits)) % 2 ** bits;
    let at = start + headBytes;
    const after = at + packed;
    if (size > this.#blockLimit || after > end) throw corruptZstd("literals that do not fit");
    if (kind === 2) at = this.#huffman.readDescription(input, at, after, this.#bits);
    else if (!this.#huffman.isSet) throw corruptZstd("a Huffman table is used that there is not");
    if (format === 0) this.#readStream(at, after, 0, size);
    else this.#readFourStreams(at, after, size);
    this.#literalsAt = 0;
    this.#literalsEnd = size;
    return after;
  }

  #readPlainLiterals(kind: number, format: number, start: number, end: number): number {
    const headBytes = [1, 2, 1, 3][format]!;
    if (start + headBytes > end) throw corruptZstd("literals that end early");
    const size = this.#input.readUIntLE(start, headBytes) >> (headBytes === 1 ? 3 : 4);
    const at = start + headBytes;
    const packed = kind === 0 ? size : 1;
    if (size > this.#blockLimit || at + packed > end) throw corruptZstd("literals that do not fit");
    if (kind === 0) this.#input.copy(this.#literals, 0, at, at + size);
    else this.#literals.fill(this.#input[at]!, 0, size);
    this.#literalsAt = 0;
    this.#literalsEnd = size;
    return at + packed;
  }

  #readStream(start: number, end: number, target: number, count: number): void {
    if (!this.#bits.begin(this.#input, start, end))
      throw corruptZstd("literals without an end mark");
    this.#huffman.decode(this.#bits, this.#literals, target, count);
  }

  #readFourStreams(start: number, end: number, size: number): void {
    const share = (size + 3) >> 2;
    if (start + 6 > end || share * 3 > size) throw corruptZstd("literals that do not fit");
    let at = start + 6;
    for (let i = 0; i < 3; i++) {
      const next = at + this.#input.readUInt16LE(start + 2 * i);
      if (next > end) throw corruptZstd("literals that do not fit");
      this.#readStream(at, next, share * i, share);
      at = next;
    }
    this.#readStream(at, end, share * 3, size - share * 3);
  }
}

function tooLong(): Error {
  return corruptZstd("a block that is too long");
}

function readSize(input: Buffer, at: number, bytes: number): number {
  switch (bytes) {
    case 1:
      return input[at]!;
    case 2:
      return input.readUInt16LE(at) + 256;
    case 4:
      return input.readUInt32LE(at);
    default:
      return Number(input.readBigUInt64LE(at));
  }
}
