import type { ZstdBitWriter } from "./zstd-bit-writer.ts";

/** A table to encode symbols with; one for each distribution. The mirror of `FseTable` (RFC 8878, section 4.1). */
export class FseEncoder {
  accuracy = 0;
  readonly #states: Uint16Array;
  /** By symbol: how many bits leave a state, and where the next one is found. */
  readonly #bitCounts: Int32Array;
  readonly #offsets: Int32Array;
  readonly #spread: Uint8Array;

  constructor(maxAccuracy: number, symbols: number) {
    this.#states = new Uint16Array(1 << maxAccuracy);
    this.#spread = new Uint8Array(1 << maxAccuracy);
    this.#bitCounts = new Int32Array(symbols);
    this.#offsets = new Int32Array(symbols);
  }

  /** @param counts - states of each symbol; −1 is one state at the end */
  fill(counts: ArrayLike<number>, symbolCount: number, accuracy: number): void {
    const size = 1 << accuracy;
    const spread = this.#spread;
    const next = new Int32Array(symbolCount);
    this.accuracy = accuracy;
    let high = size;
    let total = 0;
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      const count = counts[symbol]!;
      next[symbol] = total;
      if (count === 0) continue;
      const states = Math.abs(count);
      if (count === -1) spread[--high] = symbol;
      const most = states === 1 ? accuracy : accuracy - (31 - Math.clz32(states - 1));
      this.#bitCounts[symbol] = (most << 16) - (states << most);
      this.#offsets[symbol] = total - states;
      total += states;
    }
    const step = (size >> 1) + (size >> 3) + 3;
    let position = 0;
    for (let symbol = 0; symbol < symbolCount; symbol++) {
      for (let i = 0; i < counts[symbol]!; i++) {
        spread[position] = symbol;
        do position = (position + step) & (size - 1);
        while (position >= high);
      }
    }
    for (let state = 0; state < size; state++) {
      const symbol = spread[state]!;
      this.#states[next[symbol]!++] = size + state;
    }
  }

  /** The state that a reader ends in with `symbol`: where a writer begins. */
  first(symbol: number): number {
    const bitCount = this.#bitCounts[symbol]!;
    const bits = (bitCount + 0x8000) >> 16;
    return this.#states[(((bits << 16) - bitCount) >> bits) + this.#offsets[symbol]!]!;
  }

  /** Goes from `state` to one of `symbol`, and writes what leads back. */
  next(state: number, symbol: number, writer: ZstdBitWriter): number {
    const bits = (state + this.#bitCounts[symbol]!) >> 16;
    writer.add(state, bits);
    return this.#states[(state >> bits) + this.#offsets[symbol]!]!;
  }
}

/**
 * Shares out 2^accuracy states by how often each symbol occurs; each that occurs gets one at least.
 *
 * @param shares - is filled with the states of each symbol
 * @returns false when a single symbol would get them all
 */
export function shareStates(
  counts: ArrayLike<number>,
  symbolCount: number,
  total: number,
  accuracy: number,
  shares: Int16Array,
): boolean {
  const size = 1 << accuracy;
  let left = size;
  let largest = 0;
  for (let symbol = 0; symbol < symbolCount; symbol++) {
    const count = counts[symbol]!;
    const share = count === 0 ? 0 : Math.max(1, Math.floor((count * size) / total));
    shares[symbol] = share;
    left -= share;
    if (count > counts[largest]!) largest = symbol;
  }
  if (counts[largest] === total) return false;
  if (left >= 0) {
    shares[largest]! += left;
    return true;
  }
  // Those that were rounded up have taken too many: the others give them back.
  while (left < 0) {
    for (let symbol = 0; symbol < symbolCount && left < 0; symbol++) {
      const share = shares[symbol]!;
      if (share < 2) continue;
      const back = Math.min(-left, Math.max(1, share >> 3));
      shares[symbol] = share - back;
      left += back;
    }
  }
  return true;
}

/** Writes the description of a table. @returns the offset behind it */
export function writeFseCounts(
  bytes: Uint8Array,
  start: number,
  counts: ArrayLike<number>,
  accuracy: number,
  writer: ZstdBitWriter,
): number {
  writer.begin(bytes, start);
  writer.add(accuracy - 5, 4);
  let remaining = 1 << accuracy;
  for (let symbol = 0; remaining > 0; ) {
    const count = counts[symbol++]!;
    const width = 32 - Math.clz32(remaining + 1);
    const spare = (1 << width) - 1 - (remaining + 1);
    const value = count + 1;
    if (value < spare) writer.add(value, width - 1);
    else writer.add(value < 1 << (width - 1) ? value : value + spare, width);
    remaining -= Math.abs(count);
    if (count !== 0) continue;
    for (let zeros = 3; zeros === 3; symbol += zeros) {
      zeros = 0;
      while (zeros < 3 && counts[symbol + zeros] === 0) zeros++;
      writer.add(zeros, 2);
    }
  }
  return writer.finish();
}
