import type { SumHeader } from "./sum-header.ts";

/** The sums of a basis as they came from the peer. */
export interface BlockSums {
  readonly header: SumHeader;
  /** One weak sum per block. */
  readonly weak: Int32Array;
  /** `header.strongLength` bytes per block, one after the other. */
  readonly strong: Uint8Array;
}

/** Bits of the first filter: 512 KiB of memory, which stays in the second-level cache. */
const FILTER_BITS = 22;
const FILTER_MASK = (1 << FILTER_BITS) - 1;
/** Above this many blocks the whole filter is wiped at once instead of word by word. */
const WIPE_ABOVE = 1 << 15;
const SMALLEST_TABLE = 16;
const NONE = -1;

/**
 * Finds blocks by weak sum: a bitmap that rejects nearly every offset, then an open-addressing table
 * of the distinct weak sums, then a chain of the blocks that share one. Its memory serves one file
 * after the other.
 */
export class BlockTable {
  /** Bit per {@link BlockTable.filterIndex}; read by the search loop directly. */
  readonly filter: Int32Array = new Int32Array(1 << (FILTER_BITS - 5));
  #slots = new Int32Array(0);
  #next = new Int32Array(0);
  #shift = 0;
  #slotMask = 0;
  #weak: Int32Array = new Int32Array(0);
  #entered = 0;

  /** Position of a weak sum, given as its two halves (upper bits are ignored), in the filter. */
  static filterIndex(low: number, high: number): number {
    return ((high << 6) ^ (low & 0xffff)) & FILTER_MASK;
  }

  /** Enters the blocks of full length; the short last one can only match at the end of a file. */
  fill(sums: BlockSums): void {
    this.clear();
    const { header, weak } = sums;
    const count = header.remainder > 0 ? header.count - 1 : header.count;
    this.#reserve(count);
    this.#weak = weak;
    this.#entered = count;
    // Backwards, so that each chain runs from the lowest block to the highest.
    for (let block = count - 1; block >= 0; block--) {
      const sum = weak[block]!;
      const bit = BlockTable.filterIndex(sum, sum >>> 16);
      this.filter[bit >>> 5] = this.filter[bit >>> 5]! | (1 << (bit & 31));
      const slot = this.#slotOf(sum);
      this.#next[block] = this.#slots[slot]!;
      this.#slots[slot] = block;
    }
  }

  /** The first block with this weak sum, or -1. */
  first(sum: number): number {
    return this.#slots[this.#slotOf(sum)]!;
  }

  /** The next block with the same weak sum, or -1. */
  next(block: number): number {
    return this.#next[block]!;
  }

  #slotOf(sum: number): number {
    let slot = Math.imul(sum, 0x9e37_79b1) >>> this.#shift;
    for (;;) {
      const block = this.#slots[slot]!;
      if (block === NONE || this.#weak[block] === sum) return slot;
      slot = (slot + 1) & this.#slotMask;
    }
  }

  /** Forgets all blocks. Takes single bits out of the filter, which a small file makes cheaper than a full wipe. */
  clear(): void {
    if (this.#entered > WIPE_ABOVE) this.filter.fill(0);
    else {
      for (let block = 0; block < this.#entered; block++) {
        const sum = this.#weak[block]!;
        this.filter[BlockTable.filterIndex(sum, sum >>> 16) >>> 5] = 0;
      }
    }
    this.#entered = 0;
  }

  #reserve(count: number): void {
    let bits = 4;
    while (1 << bits < Math.max(SMALLEST_TABLE, 2 * count)) bits++;
    const size = 1 << bits;
    if (this.#slots.length < size) this.#slots = new Int32Array(size);
    this.#slots.fill(NONE, 0, size);
    if (this.#next.length < count) this.#next = new Int32Array(size >> 1);
    this.#shift = 32 - bits;
    this.#slotMask = size - 1;
  }
}
