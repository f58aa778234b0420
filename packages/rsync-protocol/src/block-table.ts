import type { ContentKernel, SearchTables } from "./content-kernel.ts";
import type { SumHeader } from "./sum-header.ts";

/** The sums of a basis as they came from the peer. */
export interface BlockSums {
  readonly header: SumHeader;
  /** One weak sum per block. */
  readonly weak: Int32Array;
  /** `header.strongLength` bytes per block, one after the other. */
  readonly strong: Uint8Array;
}

/** Bits of the first filter: 512 KiB of memory, which stays in the second-level cache. `slide` has the same number. */
const FILTER_BITS = 22;
const FILTER_BYTES = 1 << (FILTER_BITS - 3);
const FILTER_MASK = (1 << FILTER_BITS) - 1;
/** Above this many blocks the whole filter is wiped at once instead of word by word. */
const WIPE_ABOVE = 1 << 15;
const SMALLEST_TABLE = 16;
const NONE = -1;

const NOWHERE: SearchTables = {
  filterAt: 0,
  slotsAt: 0,
  weakAt: 0,
  strongAt: 0,
  shift: 0,
  slotMask: 0,
};

/**
 * Finds blocks by weak sum: a bitmap that rejects nearly every offset, then an open-addressing table
 * of the distinct weak sums, then a chain of the blocks that share one. It lies in the memory of a kernel, whose loops use it
 * too, and serves one file after the other.
 */
export class BlockTable {
  readonly #kernel: ContentKernel;
  /** Bit per {@link filterIndex}. */
  #filter = new Int32Array(0);
  #slots = new Int32Array(0);
  #weak = new Int32Array(0);
  #next = new Int32Array(0);
  #entered = 0;
  /** Where it lies, for the loops of the kernel. */
  tables: SearchTables = NOWHERE;

  constructor(kernel: ContentKernel) {
    this.#kernel = kernel;
  }

  /** Enters the blocks of full length; the short last one can only match at the end of a file. */
  enter(sums: BlockSums): void {
    this.clear();
    const { header, weak, strong } = sums;
    const count = header.remainder > 0 ? header.count - 1 : header.count;
    this.#place(count, strong.length);
    const { memory } = this.#kernel.reserve(0);
    this.#weak.set(weak.subarray(0, count));
    new Uint8Array(memory, this.tables.strongAt, strong.length).set(strong);
    this.#entered = count;
    // Backwards, so that each chain runs from the lowest block to the highest.
    for (let block = count - 1; block >= 0; block--) {
      const sum = weak[block]!;
      const bit = filterIndex(sum);
      this.#filter[bit >>> 5] = this.#filter[bit >>> 5]! | (1 << (bit & 31));
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
    const { shift, slotMask } = this.tables;
    let slot = Math.imul(sum, 0x9e37_79b1) >>> shift;
    for (;;) {
      const block = this.#slots[slot]!;
      if (block === NONE || this.#weak[block] === sum) return slot;
      slot = (slot + 1) & slotMask;
    }
  }

  /** Forgets all blocks. Takes single bits out of the filter, which a small file makes cheaper than a full wipe. */
  clear(): void {
    if (this.#entered > WIPE_ABOVE) this.#filter.fill(0);
    else {
      for (let block = 0; block < this.#entered; block++) {
        this.#filter[filterIndex(this.#weak[block]!) >>> 5] = 0;
      }
    }
    this.#entered = 0;
  }

  /** The filter comes first, and stays where it is. */
  #place(count: number, strongBytes: number): void {
    let bits = 4;
    while (1 << bits < Math.max(SMALLEST_TABLE, 2 * count)) bits++;
    const size = 1 << bits;
    const { memory, at } = this.#kernel.reserve(FILTER_BYTES + 4 * size + 4 * count + strongBytes);
    const slotsAt = at + FILTER_BYTES;
    const weakAt = slotsAt + 4 * size;
    this.#filter = new Int32Array(memory, at, FILTER_BYTES >> 2);
    this.#slots = new Int32Array(memory, slotsAt, size).fill(NONE);
    this.#weak = new Int32Array(memory, weakAt, count);
    if (this.#next.length < count) this.#next = new Int32Array(size >> 1);
    this.tables = {
      filterAt: at,
      slotsAt,
      weakAt,
      strongAt: weakAt + 4 * count,
      shift: 32 - bits,
      slotMask: size - 1,
    };
  }
}

/** Position of a weak sum in the filter. */
function filterIndex(sum: number): number {
  return (((sum >>> 16) << 6) ^ (sum & 0xffff)) & FILTER_MASK;
}
