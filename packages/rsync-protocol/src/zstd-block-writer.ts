import { ZstdBitWriter } from "./zstd-bit-writer.ts";
import {
  type CodeKind,
  LITERAL_LENGTH_BASES,
  LITERAL_LENGTH_BITS,
  LITERAL_LENGTHS,
  MATCH_LENGTH_BASES,
  MATCH_LENGTH_BITS,
  MATCH_LENGTHS,
  OFFSETS,
} from "./zstd-codes.ts";
import { FseEncoder, shareStates, writeFseCounts } from "./zstd-fse-encoder.ts";
import { HuffmanEncoder } from "./zstd-huffman-encoder.ts";

const BLOCK_BYTES = 128 * 1024;
/** Most sequences of a block: the shortest match has 4 bytes. */
const MAX_SEQUENCES: number = BLOCK_BYTES / 4 + 1;
/** Room for a block that grows before it is dropped. */
const OUTPUT_BYTES: number = 2 * BLOCK_BYTES + 4096;
/** Fewer literals are not worth a table of codes. */
const MIN_HUFFMAN_LITERALS = 32;
/** Below, one stream of literals is shorter than four. */
const MIN_FOUR_STREAMS = 256;
/** Below, the default tables are used: a description would cost more than it saves. */
const MIN_OWN_TABLES = 64;

/** Codes of one of the three numbers of a block's sequences. */
class Codes {
  readonly #kind: CodeKind;
  readonly #default: FseEncoder;
  readonly #own: FseEncoder;
  readonly #counts: Uint32Array;
  readonly #shares: Int16Array;
  readonly codes = new Uint8Array(MAX_SEQUENCES);
  encoder: FseEncoder;

  constructor(kind: CodeKind) {
    const symbols = kind.maxSymbol + 1;
    this.#kind = kind;
    this.#default = new FseEncoder(kind.defaultAccuracy, symbols);
    this.#default.fill(kind.defaultCounts, kind.defaultCounts.length, kind.defaultAccuracy);
    this.#own = new FseEncoder(kind.maxAccuracy, symbols);
    this.#counts = new Uint32Array(symbols);
    this.#shares = new Int16Array(symbols);
    this.encoder = this.#default;
  }

  /** Chooses a table for the first `count` codes, and describes it. @returns the mode, and the offset behind the description */
  choose(count: number, bytes: Uint8Array, at: number, writer: ZstdBitWriter): [number, number] {
    const { maxAccuracy, maxSymbol } = this.#kind;
    this.encoder = this.#default;
    if (count < MIN_OWN_TABLES) return [0, at];
    this.#counts.fill(0);
    for (let i = 0; i < count; i++) this.#counts[this.codes[i]!]!++;
    const accuracy = Math.min(maxAccuracy, Math.max(6, 29 - Math.clz32(count)));
    const shares = this.#shares;
    // With a single code the default table serves as well as any.
    if (!shareStates(this.#counts, maxSymbol + 1, count, accuracy, shares)) return [0, at];
    this.encoder = this.#own;
    this.encoder.fill(shares, maxSymbol + 1, accuracy);
    return [2, writeFseCounts(bytes, at, shares, accuracy, writer)];
  }
}

/** Writes compressed blocks (RFC 8878, section 3.1.1.3): literals in Huffman's code, and sequences. */
export class ZstdBlockWriter {
  readonly #output = Buffer.allocUnsafeSlow(OUTPUT_BYTES);
  readonly #writer = new ZstdBitWriter();
  readonly #literals = Buffer.allocUnsafeSlow(BLOCK_BYTES);
  readonly #literalCounts = new Uint32Array(256);
  #literalCount = 0;
  /** Codes of the literals: those of the last block that was kept, and those of this one. */
  #huffman = new HuffmanEncoder();
  #spareHuffman = new HuffmanEncoder();
  #hasHuffman = false;
  #usesNewHuffman = false;
  readonly #literalLengths = new Codes(LITERAL_LENGTHS);
  readonly #offsets = new Codes(OFFSETS);
  readonly #matchLengths = new Codes(MATCH_LENGTHS);
  /** The three numbers of each sequence. */
  readonly #literalRuns = new Uint32Array(MAX_SEQUENCES);
  readonly #offsetValues = new Uint32Array(MAX_SEQUENCES);
  readonly #lengths = new Uint32Array(MAX_SEQUENCES);
  #count = 0;
  /** The last three distances, now and before this block. */
  #distances: [number, number, number] = [1, 4, 8];
  #distancesBefore: [number, number, number] = [1, 4, 8];
  #source: Uint8Array = this.#literals;
  #at = 0;

  get lastDistance(): number {
    return this.#distances[0];
  }

  /** Begins a block with the content of `source` from `start` on. */
  begin(source: Uint8Array, start: number): void {
    this.#source = source;
    this.#at = start;
    this.#count = 0;
    this.#literalCount = 0;
    this.#distancesBefore = [...this.#distances];
  }

  /** Takes the next sequence. */
  readonly sequence = (literals: number, distance: number, length: number): void => {
    this.#takeLiterals(literals);
    this.#at += length;
    const index = this.#count++;
    this.#literalRuns[index] = literals;
    this.#lengths[index] = length;
    this.#offsetValues[index] = this.#offsetOf(distance, literals);
  };

  /** Ends the block, with literals behind the last match. @returns it without its head, valid until the next one begins */
  end(literals: number): Buffer {
    this.#takeLiterals(literals);
    const behind = this.#writeLiterals();
    const end = this.#writeSequences(behind);
    return this.#output.subarray(0, end);
  }

  /** The block was sent as it was written. */
  keep(): void {
    if (!this.#usesNewHuffman) return;
    [this.#huffman, this.#spareHuffman] = [this.#spareHuffman, this.#huffman];
    this.#hasHuffman = true;
  }

  /** The block was sent in another way: what it said of distances does not count. */
  drop(): void {
    this.#distances = this.#distancesBefore;
  }

  #takeLiterals(count: number): void {
    const { length } = this.#literals;
    if (this.#literalCount + count > length) throw new Error("more literals than a block has");
    if (count < 32) {
      for (let i = 0; i < count; i++)
        this.#literals[this.#literalCount + i] = this.#source[this.#at + i]!;
    } else {
      this.#literals.set(this.#source.subarray(this.#at, this.#at + count), this.#literalCount);
    }
    this.#literalCount += count;
    this.#at += count;
  }

  /** How a distance is said, and what the last distances are afterwards. */
  #offsetOf(distance: number, literals: number): number {
    const [first, second, third] = this.#distances;
    // Without literals the first distance cannot come again, and the others are said one lower.
    const shift = literals === 0 ? 1 : 0;
    if (distance === first && shift === 0) return 1;
    if (distance === second) {
      this.#distances = [second, first, third];
      return 2 - shift;
    }
    this.#distances = [distance, first, second];
    return distance === third ? 3 - shift : distance + 3;
  }

  /** @returns the offset behind them */
  #writeLiterals(): number {
    const count = this.#literalCount;
    this.#usesNewHuffman = false;
    if (count >= MIN_HUFFMAN_LITERALS) {
      const end = this.#writeHuffmanLiterals(count);
      if (end > 0) return end;
    }
    this.#usesNewHuffman = false;
    const at = this.#writeLiteralHead(0, count);
    this.#literals.copy(this.#output, at, 0, count);
    return at + count;
  }

  /** The head of literals that are stored (kind 0) or all the same (kind 1). */
  #writeLiteralHead(kind: number, count: number): number {
    const out = this.#output;
    if (count < 32) return out.writeUIntLE(kind | (count << 3), 0, 1);
    if (count < 4096) return out.writeUIntLE(kind | (1 << 2) | (count << 4), 0, 2);
    return out.writeUIntLE(kind | (3 << 2) | (count << 4), 0, 3);
  }

  /** @returns the offset behind them, or 0 when it is no gain */
  #writeHuffmanLiterals(count: number): number {
    const out = this.#output;
    const counts = this.#literalCounts.fill(0);
    let most = 0;
    for (let i = 0; i < count; i++) {
      const n = ++counts[this.#literals[i]!]!;
      if (n > most) most = n;
    }
    if (most === count) {
      const at = this.#writeLiteralHead(1, count);
      out[at] = this.#literals[0]!;
      return at + 1;
    }
    // All about equally frequent: no code will be shorter than a byte.
    if (most < count / 128 + 4 && count > 1024) return 0;
    const headBytes = count < 1024 ? 3 : count < 16_384 ? 4 : 5;
    const huffman = this.#spareHuffman;
    huffman.fit(counts);
    let at = huffman.writeDescription(out, headBytes, this.#writer);
    const oldBits = this.#hasHuffman ? this.#huffman.cost(counts) : Infinity;
    const newBits = at < 0 ? Infinity : huffman.cost(counts) + (at - headBytes) * 8;
    if (Math.min(oldBits, newBits) / 8 + headBytes >= count) return 0;
    const isNew = newBits < oldBits;
    if (!isNew) at = headBytes;
    this.#usesNewHuffman = isNew;
    const encoder = isNew ? huffman : this.#huffman;
    const end = this.#writeStreams(encoder, count, at);
    const packed = end - headBytes;
    if (packed >= count) return 0;
    const isSingle = count < MIN_FOUR_STREAMS;
    const format = isSingle ? 0 : headBytes - 2;
    const bits = [10, 10, 14, 18][format]!;
    const value = (isNew ? 2 : 3) + format * 4 + count * 16 + packed * 2 ** (4 + bits);
    out.writeUIntLE(value, 0, headBytes);
    return end;
  }

  #writeStreams(encoder: HuffmanEncoder, count: number, start: number): number {
    const out = this.#output;
    if (count < MIN_FOUR_STREAMS) {
      return encoder.encode(this.#literals, 0, count, out, start, this.#writer);
    }
    const share = (count + 3) >> 2;
    let at = start + 6;
    for (let i = 0; i < 4; i++) {
      const from = share * i;
      const to = i === 3 ? count : from + share;
      const next = encoder.encode(this.#literals, from, to, out, at, this.#writer);
      if (i < 3) out.writeUInt16LE(next - at, start + 2 * i);
      at = next;
    }
    return at;
  }

  /** @returns the offset behind them */
  #writeSequences(start: number): number {
    const out = this.#output;
    const count = this.#count;
    let at = start;
    if (count < 128) out[at++] = count;
    else if (count < 0x7f00) {
      out[at++] = (count >> 8) + 128;
      out[at++] = count & 0xff;
    } else {
      out[at++] = 255;
      at = out.writeUInt16LE(count - 0x7f00, at);
    }
    if (count === 0) return at;
    for (let i = 0; i < count; i++) {
      this.#literalLengths.codes[i] = codeOf(LITERAL_LENGTH_BASES, this.#literalRuns[i]!);
      this.#offsets.codes[i] = 31 - Math.clz32(this.#offsetValues[i]!);
      this.#matchLengths.codes[i] = codeOf(MATCH_LENGTH_BASES, this.#lengths[i]!);
    }
    const modesAt = at++;
    let modes = 0;
    for (const kind of [this.#literalLengths, this.#offsets, this.#matchLengths]) {
      const [mode, behind] = kind.choose(count, out, at, this.#writer);
      modes = (modes << 2) | mode;
      at = behind;
    }
    out[modesAt] = modes << 2;
    return this.#writeSequenceBits(count, at);
  }

  /** From the last sequence to the first. @returns the offset behind them */
  #writeSequenceBits(count: number, start: number): number {
    const writer = this.#writer;
    const { codes: runCodes, encoder: runs } = this.#literalLengths;
    const { codes: offsetCodes, encoder: offsets } = this.#offsets;
    const { codes: lengthCodes, encoder: lengths } = this.#matchLengths;
    writer.begin(this.#output, start);
    let runState = runs.first(runCodes[count - 1]!);
    let offsetState = offsets.first(offsetCodes[count - 1]!);
    let lengthState = lengths.first(lengthCodes[count - 1]!);
    for (let i = count - 1; i >= 0; i--) {
      const runCode = runCodes[i]!;
      const offsetCode = offsetCodes[i]!;
      const lengthCode = lengthCodes[i]!;
      if (i < count - 1) {
        offsetState = offsets.next(offsetState, offsetCode, writer);
        lengthState = lengths.next(lengthState, lengthCode, writer);
        runState = runs.next(runState, runCode, writer);
      }
      writer.add(
        this.#literalRuns[i]! - LITERAL_LENGTH_BASES[runCode]!,
        LITERAL_LENGTH_BITS[runCode]!,
      );
      writer.add(
        this.#lengths[i]! - MATCH_LENGTH_BASES[lengthCode]!,
        MATCH_LENGTH_BITS[lengthCode]!,
      );
      writer.add(this.#offsetValues[i]!, offsetCode);
    }
    writer.add(lengthState, lengths.accuracy);
    writer.add(offsetState, offsets.accuracy);
    writer.add(runState, runs.accuracy);
    return writer.finishWithMark();
  }
}

/** The code of a value: the last one that does not begin behind it. */
function codeOf(bases: Uint32Array, value: number): number {
  let low = 0;
  let high = bases.length - 1;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (bases[middle]! <= value) low = middle;
    else high = middle - 1;
  }
  return low;
}
