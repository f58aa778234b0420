import { protocolError } from "./errors.ts";

/** A table to decode symbols with, one for each state (RFC 8878, section 4.1). */
export class FseTable {
  /** Bits of a state. */
  accuracy = 0;
  readonly symbols: Uint8Array;
  /** Bits to read for the next state, and what to add to them. */
  readonly bits: Uint8Array;
  readonly bases: Uint16Array;

  /** @param maxAccuracy - bits of the largest table that fits */
  constructor(maxAccuracy: number) {
    this.symbols = new Uint8Array(1 << maxAccuracy);
    this.bits = new Uint8Array(1 << maxAccuracy);
    this.bases = new Uint16Array(1 << maxAccuracy);
  }

  /** The table of which each state is the same symbol. */
  fillSingle(symbol: number): void {
    this.accuracy = 0;
    this.symbols[0] = symbol;
    this.bits[0] = 0;
    this.bases[0] = 0;
  }

  /** Spreads the symbols over the states. @param counts - states of each symbol; −1 is one state at the end */
  fill(counts: ArrayLike<number>, symbolCount: number, accuracy: number): void {
    const size = 1 << accuracy;
    const { symbols, bits, bases } = this;
    const next = new Uint16Array(symbolCount);
    this.accuracy = accuracy;
    let high = size;
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      const count = counts[symbol]!;
      if (count === -1) symbols[--high] = symbol;
      next[symbol] = Math.abs(count);
    }
    const step = (size >> 1) + (size >> 3) + 3;
    let position = 0;
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      for (let i = 0; i < counts[symbol]!; i++) {
        symbols[position] = symbol;
        do position = (position + step) & (size - 1);
        while (position >= high);
      }
    }
    for (let state = 0; state < size; state++) {
      const symbol = symbols[state]!;
      const x = next[symbol]!;
      next[symbol] = x + 1;
      bits[state] = accuracy - (31 - Math.clz32(x));
      bases[state] = (x << bits[state]!) - size;
    }
  }
}

/** A table that was made from its description, and where that ended. */
export interface ReadCounts {
  readonly accuracy: number;
  readonly symbolCount: number;
  /** Offset behind the description. */
  readonly end: number;
}

/**
 * Reads the description of a table: how many states each symbol has.
 *
 * @param counts - is filled; its length is the number of symbols that there may be
 */
export function readFseCounts(
  bytes: Uint8Array,
  start: number,
  end: number,
  counts: Int16Array,
  maxAccuracy: number,
): ReadCounts {
  let bit = start * 8;
  const limit = end * 8;
  // Reads beyond the end give what lies there; it is noticed below.
  const peek = (count: number): number => {
    const at = bit >>> 3;
    const word = (bytes[at] ?? 0) | ((bytes[at + 1] ?? 0) << 8) | ((bytes[at + 2] ?? 0) << 16);
    return (word >>> (bit & 7)) & ((1 << count) - 1);
  };
  const accuracy = peek(4) + 5;
  bit += 4;
  if (accuracy > maxAccuracy) throw corruptZstd(`a table with ${accuracy} bits`);
  let remaining = 1 << accuracy;
  let symbol = 0;
  while (remaining > 0) {
    if (bit > limit || symbol >= counts.length) throw corruptZstd("a table that does not end");
    // Values 0 to remaining + 1; the smaller ones take one bit less where not all bits are needed.
    const width = 32 - Math.clz32(remaining + 1);
    const low = peek(width - 1);
    const spare = (1 << width) - 1 - (remaining + 1);
    let value = low;
    if (low < spare) bit += width - 1;
    else {
      value = peek(width);
      bit += width;
      if (value >= 1 << (width - 1)) value -= spare;
    }
    const count = value - 1;
    remaining -= Math.abs(count);
    counts[symbol++] = count;
    if (count !== 0) continue;
    for (let zeros = 3; zeros === 3; ) {
      if (bit > limit) throw corruptZstd("a table that does not end");
      zeros = peek(2);
      bit += 2;
      if (symbol + zeros > counts.length) throw corruptZstd("a table with too many symbols");
      counts.fill(0, symbol, symbol + zeros);
      symbol += zeros;
    }
  }
  if (remaining < 0 || bit > limit) throw corruptZstd("a table that does not fit");
  return { accuracy, symbolCount: symbol, end: Math.ceil(bit / 8) };
}

/** What is thrown for data that is not in zstd's form. */
export function corruptZstd(what: string): Error {
  return protocolError(`compressed data: zstd, ${what}`);
}
