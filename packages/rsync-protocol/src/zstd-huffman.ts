import type { ZstdBits } from "./zstd-bits.ts";
import { corruptZstd, FseTable, readFseCounts } from "./zstd-fse.ts";

/** Longest code of a literal. */
const MAX_BITS = 11;
/** Bits of the table that weights are coded with. */
const WEIGHT_ACCURACY = 6;

/** The codes of literals (RFC 8878, section 4.2). */
export class HuffmanTable {
  /** Bits of the longest code; 0 while there is no table. */
  #maxBits = 0;
  readonly #symbols = new Uint8Array(1 << MAX_BITS);
  readonly #lengths = new Uint8Array(1 << MAX_BITS);
  readonly #weights = new Uint8Array(256);
  readonly #weightTable = new FseTable(WEIGHT_ACCURACY);
  readonly #counts = new Int16Array(MAX_BITS + 2);

  get isSet(): boolean {
    return this.#maxBits > 0;
  }

  clear(): void {
    this.#maxBits = 0;
  }

  /** Reads a description. @returns the offset behind it */
  readDescription(bytes: Uint8Array, start: number, end: number, stream: ZstdBits): number {
    const head = start < end ? bytes[start]! : 0;
    const count = head < 128 ? 0 : head - 127;
    const length = head < 128 ? head : (count + 1) >> 1;
    const from = start + 1;
    if (from + length > end) throw corruptZstd("a Huffman table that does not end");
    if (head < 128) {
      this.#fill(this.#readPackedWeights(bytes, from, from + length, stream));
    } else {
      for (let i = 0; i < count; i++) {
        const pair = bytes[from + (i >> 1)]!;
        this.#weights[i] = i % 2 === 0 ? pair >> 4 : pair & 15;
      }
      this.#fill(count);
    }
    return from + length;
  }

  /** Decodes `count` literals from the stream to `target`. */
  decode(stream: ZstdBits, target: Uint8Array, start: number, count: number): void {
    const symbols = this.#symbols;
    const lengths = this.#lengths;
    const maxBits = this.#maxBits;
    const end = start + count;
    for (let at = start; at < end; at++) {
      const index = stream.peek(maxBits);
      target[at] = symbols[index]!;
      stream.left -= lengths[index]!;
    }
    if (stream.left !== 0) throw corruptZstd("literals that do not fill their stream");
  }

  /** Two states take turns, until the stream is used up. @returns the number of weights */
  #readPackedWeights(bytes: Uint8Array, start: number, end: number, stream: ZstdBits): number {
    const table = this.#weightTable;
    const counts = this.#counts;
    const read = readFseCounts(bytes, start, end, counts, WEIGHT_ACCURACY);
    table.fill(counts, read.symbolCount, read.accuracy);
    if (!stream.begin(bytes, read.end, end)) throw corruptZstd("weights without an end mark");
    let state = stream.read(table.accuracy);
    let other = stream.read(table.accuracy);
    let count = 0;
    for (;;) {
      if (count > 253) throw corruptZstd("more than 255 weights");
      this.#weights[count++] = table.symbols[state]!;
      const next = table.bases[state]! + stream.read(table.bits[state]!);
      if (stream.left < 0) {
        this.#weights[count++] = table.symbols[other]!;
        return count;
      }
      state = other;
      other = next;
    }
  }

  /** Makes the table of `count` weights and of the last one, which is what is missing to a power of two. */
  #fill(count: number): void {
    const weights = this.#weights;
    let sum = 0;
    for (let i = 0; i < count; i++) {
      const weight = weights[i]!;
      if (weight > MAX_BITS) throw corruptZstd(`a weight of ${weight}`);
      if (weight > 0) sum += 1 << (weight - 1);
    }
    if (sum === 0) throw corruptZstd("a Huffman table of nothing");
    const maxBits = 32 - Math.clz32(sum);
    const left = (1 << maxBits) - sum;
    if (maxBits > MAX_BITS || (left & (left - 1)) !== 0) {
      throw corruptZstd("a Huffman table that is not complete");
    }
    weights[count] = 32 - Math.clz32(left);
    let at = 0;
    for (let weight = 1; weight <= maxBits; weight++) {
      const states = 1 << (weight - 1);
      for (let symbol = 0; symbol <= count; symbol++) {
        if (weights[symbol] !== weight) continue;
        this.#symbols.fill(symbol, at, at + states);
        this.#lengths.fill(maxBits + 1 - weight, at, at + states);
        at += states;
      }
    }
    this.#maxBits = maxBits;
  }
}
