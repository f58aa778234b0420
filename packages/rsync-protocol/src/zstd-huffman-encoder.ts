import type { ZstdBitWriter } from "./zstd-bit-writer.ts";
import { FseEncoder, shareStates, writeFseCounts } from "./zstd-fse-encoder.ts";

/** Longest code of a literal. */
const MAX_BITS = 11;
/** Bits of the table that weights are coded with. */
const WEIGHT_ACCURACY = 6;
/** Symbols of which each weight can be written in half a byte. */
const MAX_PLAIN_WEIGHTS = 128;

/** Codes for literals, made to fit them: the mirror of `HuffmanTable` (RFC 8878, section 4.2). */
export class HuffmanEncoder {
  readonly #lengths = new Uint8Array(256);
  readonly #codes = new Uint16Array(256);
  readonly #weights = new Uint8Array(256);
  readonly #shares = new Int16Array(MAX_BITS + 2);
  readonly #weightEncoder = new FseEncoder(WEIGHT_ACCURACY, MAX_BITS + 2);
  #maxSymbol = 0;

  /** Bits that literals with these counts take; Infinity when one has no code. */
  cost(counts: Uint32Array): number {
    let bits = 0;
    for (let symbol = 0; symbol < 256; symbol++) {
      const count = counts[symbol]!;
      if (count === 0) continue;
      if (this.#lengths[symbol] === 0) return Infinity;
      bits += count * this.#lengths[symbol]!;
    }
    return bits;
  }

  /** Makes codes for literals with these counts, of which at least two are not 0. */
  fit(counts: Uint32Array): void {
    const scaled = Float64Array.from(counts);
    // Codes that are too long come from counts that are far apart: then they are brought nearer to each other.
    while (!assignLengths(scaled, this.#lengths)) {
      for (let i = 0; i < 256; i++) if (scaled[i]! > 0) scaled[i] = Math.ceil(scaled[i]! / 4) + 1;
    }
    let maxBits = 0;
    for (let symbol = 0; symbol < 256; symbol++) {
      const length = this.#lengths[symbol]!;
      if (length === 0) continue;
      maxBits = Math.max(maxBits, length);
      this.#maxSymbol = symbol;
    }
    for (let symbol = 0; symbol < 256; symbol++) {
      const length = this.#lengths[symbol]!;
      this.#weights[symbol] = length === 0 ? 0 : maxBits + 1 - length;
    }
    // The places of a decoder's table, lowest weights first.
    let place = 0;
    for (let weight = 1; weight <= maxBits; weight++) {
      for (let symbol = 0; symbol <= this.#maxSymbol; symbol++) {
        if (this.#weights[symbol] !== weight) continue;
        this.#codes[symbol] = place >> (weight - 1);
        place += 1 << (weight - 1);
      }
    }
  }

  /** Writes the description of the codes. @returns the offset behind it; −1 when these codes cannot be described */
  writeDescription(bytes: Uint8Array, start: number, writer: ZstdBitWriter): number {
    const count = this.#maxSymbol;
    const end = this.#writePackedWeights(bytes, start, count, writer);
    const plainLength = 1 + ((count + 1) >> 1);
    if (end >= 0 && (count > MAX_PLAIN_WEIGHTS || end - start <= plainLength)) return end;
    if (count > MAX_PLAIN_WEIGHTS) return -1;
    bytes[start] = 127 + count;
    // The last symbol's weight follows from the others.
    const weightOf = (symbol: number): number => (symbol < count ? this.#weights[symbol]! : 0);
    for (let i = 0; i < count; i += 2) {
      bytes[start + 1 + (i >> 1)] = (weightOf(i) << 4) | weightOf(i + 1);
    }
    return start + plainLength;
  }

  /** Writes one stream of literals. @returns the offset behind it */
  encode(
    literals: Uint8Array,
    start: number,
    end: number,
    bytes: Uint8Array,
    at: number,
    writer: ZstdBitWriter,
  ): number {
    const codes = this.#codes;
    const lengths = this.#lengths;
    writer.begin(bytes, at);
    for (let i = end - 1; i >= start; i--) {
      const symbol = literals[i]!;
      writer.add(codes[symbol]!, lengths[symbol]!);
    }
    return writer.finishWithMark();
  }

  /** Two states take turns. @returns the offset behind it, or −1 */
  #writePackedWeights(
    bytes: Uint8Array,
    start: number,
    count: number,
    writer: ZstdBitWriter,
  ): number {
    if (count < 2) return -1;
    const counts = new Uint32Array(MAX_BITS + 2);
    for (let symbol = 0; symbol < count; symbol++) counts[this.#weights[symbol]!]!++;
    const shares = this.#shares;
    if (!shareStates(counts, counts.length, count, WEIGHT_ACCURACY, shares)) return -1;
    const encoder = this.#weightEncoder;
    encoder.fill(shares, counts.length, WEIGHT_ACCURACY);
    const streamAt = writeFseCounts(bytes, start + 1, shares, WEIGHT_ACCURACY, writer);
    writer.begin(bytes, streamAt);
    const states = [-1, -1];
    for (let symbol = count - 1; symbol >= 0; symbol--) {
      const turn = symbol & 1;
      const state = states[turn]!;
      const weight = this.#weights[symbol]!;
      states[turn] = state < 0 ? encoder.first(weight) : encoder.next(state, weight, writer);
    }
    writer.add(states[1]!, WEIGHT_ACCURACY);
    writer.add(states[0]!, WEIGHT_ACCURACY);
    const end = writer.finishWithMark();
    const length = end - start - 1;
    if (length > 127) return -1;
    bytes[start] = length;
    return end;
  }
}

/** Huffman's code lengths for counts. @returns false when one is longer than {@link MAX_BITS} */
function assignLengths(counts: Float64Array, lengths: Uint8Array): boolean {
  const symbols: number[] = [];
  for (let symbol = 0; symbol < 256; symbol++) if (counts[symbol]! > 0) symbols.push(symbol);
  symbols.sort((a, b) => counts[a]! - counts[b]!);
  const leaves = symbols.length;
  // Nodes: the leaves in ascending order, then the inner ones, which come out in ascending order by themselves.
  const sums = new Float64Array(2 * leaves - 1);
  const parents = new Int32Array(2 * leaves - 1);
  for (let i = 0; i < leaves; i++) sums[i] = counts[symbols[i]!]!;
  let leaf = 0;
  let inner = leaves;
  for (let node = leaves; node < 2 * leaves - 1; node++) {
    for (let side = 0; side < 2; side++) {
      const takesLeaf = leaf < leaves && (inner >= node || sums[leaf]! <= sums[inner]!);
      const child = takesLeaf ? leaf++ : inner++;
      sums[node] = sums[node]! + sums[child]!;
      parents[child] = node;
    }
  }
  const depths = new Uint8Array(2 * leaves - 1);
  lengths.fill(0);
  for (let node = 2 * leaves - 3; node >= 0; node--) {
    depths[node] = depths[parents[node]!]! + 1;
    if (node >= leaves) continue;
    if (depths[node]! > MAX_BITS) return false;
    lengths[symbols[node]!] = depths[node]!;
  }
  return true;
}
