import { type BlockSums, BlockTable } from "./block-table.ts";
import { LIMITS } from "./constants.ts";
import { type ContentKernel, SHORT_INPUT_BYTES } from "./content-kernel.ts";
import { rollingHigh, rollingLow } from "./rolling-sum.ts";
import type { Checksum } from "./strong-sum.ts";
import { blockLengthAt, blockOffsetAt } from "./sum-header.ts";

/** Gives the bytes of the sender's file in order. */
export interface SearchSource {
  /** Reads up to `length` bytes into `target` at `start`; fewer is allowed, 0 means the end. */
  read(target: Uint8Array, start: number, length: number): number;
}

/** Takes what the receiver needs to rebuild the file, in order. */
export interface SearchSink {
  /** Bytes that the basis lacks. The memory is reused after the call. */
  literal(data: Uint8Array, start: number, end: number): void;
  /** Block `index` of the basis, which is the same as `data` from `start` to `end`. The memory is reused after the call. */
  match(index: number, data: Uint8Array, start: number, end: number): void;
}

/** Bytes read at a time. */
const READ_BYTES = 256 * 1024;
/** At most so many blocks with equal weak sums are compared at one offset, as rsync does. */
const COMPARED_BLOCKS = 1024;

/** What is being searched, and how far. */
interface Search {
  readonly sums: BlockSums;
  readonly source: SearchSource;
  readonly sink: SearchSink;
  readonly inPlace: boolean;
  readonly blockLength: number;
  /** Blocks that are no shorter than that. */
  readonly fullBlocks: number;
  /** Whether the kernel knows the strong sums. */
  readonly runs: boolean;
}

/**
 * The sender's half of a delta: slides a window over the file and names the blocks of the receiver's
 * basis that it meets, greedily as rsync does (match.c hash_search). The file passes through a fixed
 * buffer, the content of the checksum's kernel. One object serves one file after the other, in slices:
 * {@link BlockSearch.begin}, then {@link BlockSearch.step} until it says that the file is done.
 */
export class BlockSearch {
  readonly #checksum: Checksum;
  readonly #kernel: ContentKernel;
  readonly #table: BlockTable;
  #buffer: Uint8Array = new Uint8Array(0);
  #window: Int32Array = new Int32Array(2);
  #search: Search | undefined;
  /** Offset in the file of the buffer's first byte. */
  #base = 0;
  #filled = 0;
  #atEnd = false;
  /** Start of the window, and of the literal bytes not yet handed out. */
  #position = 0;
  #literalStart = 0;
  /** The window's weak sum is there; not so after a match, until it is computed anew. */
  #sumValid = false;
  /** The block after the last match: preferred, so that runs stay runs. */
  #wanted = 0;

  constructor(checksum: Checksum) {
    this.#checksum = checksum;
    this.#kernel = checksum.kernel;
    this.#table = new BlockTable(this.#kernel);
  }

  /**
   * Starts on a file.
   *
   * @param sums - at least one block, with a header that has passed `assertSumHeader`, of at most {@link LIMITS.blockBytes} a block
   * @param inPlace - the receiver overwrites its basis: only blocks at or behind the current offset are used
   */
  begin(sums: BlockSums, source: SearchSource, sink: SearchSink, inPlace = false): void {
    const { blockLength, count, remainder } = sums.header;
    if (blockLength > LIMITS.blockBytes) throw new RangeError(`blocks of ${blockLength} bytes`);
    this.#table.enter(sums);
    const { buffer, byteOffset } = this.#kernel.content;
    this.#buffer = new Uint8Array(buffer, byteOffset, READ_BYTES + LIMITS.blockBytes);
    this.#window = this.#kernel.window;
    const runs = this.#checksum.name === "xxh128" && blockLength > SHORT_INPUT_BYTES;
    const fullBlocks = remainder > 0 ? count - 1 : count;
    this.#search = { sums, source, sink, inPlace, blockLength, fullBlocks, runs };
    this.#base = 0;
    this.#filled = 0;
    this.#atEnd = false;
    this.#position = 0;
    this.#literalStart = 0;
    this.#sumValid = false;
    this.#wanted = 0;
  }

  /**
   * Goes on for about `workBytes` bytes of sliding, reading and hashing.
   *
   * @returns true when the whole file has been handed to the sink
   */
  step(workBytes: number): boolean {
    const search = this.#search;
    if (search === undefined) return true;
    const { blockLength } = search;
    for (let work = workBytes; work > 0; ) {
      if (this.#filled - this.#position <= blockLength && !this.#atEnd)
        work -= this.#refill(search);
      if (this.#filled - this.#position < blockLength) {
        this.#finish(search);
        return true;
      }
      if (!this.#sumValid) {
        const passed = this.#takeRun(search, work);
        work -= passed;
        if (passed > 0) continue;
      }
      const rollable = this.#filled - blockLength - 1;
      if (this.#position > rollable) {
        // The last full window of the file: nothing comes in behind it.
        work -= blockLength;
        if (!this.#tryMatch(search)) {
          this.#position++;
          this.#sumValid = false;
        }
        continue;
      }
      work -= this.#slide(search, Math.min(rollable, this.#position + work));
    }
    return false;
  }

  /** Takes the blocks that are next in the basis, as many as follow here; else sums up the window. @returns the bytes passed */
  #takeRun(search: Search, work: number): number {
    const { blockLength, fullBlocks, sums } = search;
    const first = this.#wanted;
    const most = Math.min(
      fullBlocks - first,
      Math.floor((this.#filled - this.#position) / blockLength),
      Math.ceil(work / blockLength),
    );
    if (!search.runs || most <= 0 || this.#isOverwritten(search, first)) {
      this.#startWindow(this.#kernel.weak(this.#position, blockLength));
      return 0;
    }
    const { strongLength } = sums.header;
    const { tables } = this.#table;
    const found = this.#kernel.run(this.#position, blockLength, first, most, tables, strongLength);
    for (let block = first; block < first + found; block++) {
      this.#takeMatch(search, block, blockLength);
    }
    if (found < most) this.#startWindow(this.#kernel.stoppedSum);
    return found * blockLength;
  }

  #startWindow(sum: number): void {
    this.#window[0] = rollingLow(sum);
    this.#window[1] = rollingHigh(sum);
    this.#sumValid = true;
  }

  /** Rolls from the current position up to and including `last`, or to the first match. */
  #slide(search: Search, last: number): number {
    const { blockLength } = search;
    const first = this.#position;
    let hashed = 0;
    while (this.#position <= last) {
      this.#position = this.#kernel.slide(this.#position, last, blockLength, this.#table.tables);
      if (this.#position > last) break;
      hashed += blockLength;
      if (this.#tryMatch(search)) break;
      this.#roll(blockLength);
    }
    return this.#position - first + hashed;
  }

  /** Moves the window by one byte. */
  #roll(blockLength: number): void {
    const window = this.#window;
    const out = (this.#buffer[this.#position]! << 24) >> 24;
    const into = (this.#buffer[this.#position + blockLength]! << 24) >> 24;
    window[0] = window[0]! + into - out;
    window[1] = window[1]! + window[0] - blockLength * out;
    this.#position++;
  }

  /** Compares the window with the blocks that share its weak sum; on a match hands out and jumps. */
  #tryMatch(search: Search): boolean {
    const { sums, blockLength } = search;
    const sum = (this.#window[0]! & 0xffff) | (this.#window[1]! << 16);
    const head = this.#table.first(sum);
    if (head < 0) return false;
    const digest = this.#checksum.block(this.#buffer, this.#position, blockLength);
    const wanted = this.#wanted;
    if (
      wanted < sums.header.count &&
      blockLengthAt(sums.header, wanted) === blockLength &&
      sums.weak[wanted] === sum &&
      this.#isBlock(search, wanted, digest)
    ) {
      this.#takeMatch(search, wanted, blockLength);
      return true;
    }
    let block = head;
    for (let compared = 0; block >= 0 && compared < COMPARED_BLOCKS; compared++) {
      if (this.#isBlock(search, block, digest)) {
        this.#takeMatch(search, block, blockLength);
        return true;
      }
      block = this.#table.next(block);
    }
    return false;
  }

  #isBlock(search: Search, block: number, digest: Uint8Array): boolean {
    const { header, strong } = search.sums;
    if (this.#isOverwritten(search, block)) return false;
    const start = block * header.strongLength;
    for (let i = 0; i < header.strongLength; i++) {
      if (digest[i] !== strong[start + i]) return false;
    }
    return true;
  }

  #isOverwritten({ inPlace, sums }: Search, block: number): boolean {
    return inPlace && blockOffsetAt(sums.header, block) < this.#base + this.#position;
  }

  #takeMatch(search: Search, block: number, length: number): void {
    this.#flushLiteral(search, this.#position);
    search.sink.match(block, this.#buffer, this.#position, this.#position + length);
    this.#position += length;
    this.#literalStart = this.#position;
    this.#sumValid = false;
    this.#wanted = block + 1;
  }

  #flushLiteral(search: Search, end: number): void {
    if (end > this.#literalStart) search.sink.literal(this.#buffer, this.#literalStart, end);
    this.#literalStart = end;
  }

  /** Drops what lies before the window and reads on; returns the bytes read. */
  #refill(search: Search): number {
    this.#flushLiteral(search, this.#position);
    this.#buffer.copyWithin(0, this.#position, this.#filled);
    this.#base += this.#position;
    this.#filled -= this.#position;
    this.#position = 0;
    this.#literalStart = 0;
    const kept = this.#filled;
    while (this.#filled < kept + READ_BYTES) {
      const wanted = kept + READ_BYTES - this.#filled;
      const got = search.source.read(this.#buffer, this.#filled, wanted);
      if (got === 0) {
        this.#atEnd = true;
        break;
      }
      this.#filled += got;
    }
    return this.#filled - kept;
  }

  /** What is left is shorter than a block: only the short last block can lie at its very end. */
  #finish(search: Search): void {
    const { header, weak } = search.sums;
    const last = header.count - 1;
    const start = this.#filled - header.remainder;
    if (header.remainder > 0 && start >= this.#literalStart) {
      this.#position = start;
      if (
        this.#kernel.weak(start, header.remainder) === weak[last] &&
        this.#isBlock(search, last, this.#checksum.block(this.#buffer, start, header.remainder))
      ) {
        this.#takeMatch(search, last, header.remainder);
      }
    }
    this.#flushLiteral(search, this.#filled);
    this.#table.clear();
    this.#search = undefined;
  }
}
