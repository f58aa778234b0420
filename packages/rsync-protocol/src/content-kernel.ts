import { CONTENT_KERNEL } from "./content-kernel-code.ts";

// Where things lie in the memory of the module; see wasm/content-kernel.wat.
const DIGEST_AT = 512;
const STOPPED_SUM_AT = 528;
const WINDOW_AT = 532;
const HELD_AT = 1024;
const WEAK_AT = 4096;
const STRONG_AT = 8192;
const FOREIGN_AT = 32_768;
const FOREIGN_BYTES = 65_536;
const CONTENT_AT = FOREIGN_AT + FOREIGN_BYTES;
const PAGE_BYTES = 65_536;

/** Bytes of {@link ContentKernel.content}. */
export const CONTENT_BYTES = 1_048_576;
const TABLES_AT = CONTENT_AT + CONTENT_BYTES;

/** Blocks whose sums one call of {@link ContentKernel.sums} makes. */
export const KERNEL_BLOCKS = 1024;

/** XXH3 goes another way for inputs up to this length, in bytes: those are not for here. */
export const SHORT_INPUT_BYTES = 240;

/** What the module exports; addresses are those of its memory. */
interface Code {
  readonly memory: { readonly buffer: ArrayBuffer; grow(pages: number): number };
  seed(seed: bigint): void;
  block(at: number, length: number): void;
  weak(at: number, length: number): number;
  sums(at: number, length: number, count: number, strongLength: number): void;
  fileReset(): void;
  fileUpdate(at: number, length: number): void;
  fileDigest(): number;
  run(
    at: number,
    length: number,
    most: number,
    weakAt: number,
    strongAt: number,
    strongLength: number,
  ): number;
  slide(
    at: number,
    last: number,
    length: number,
    filter: number,
    slots: number,
    weakAt: number,
    shift: number,
    mask: number,
  ): number;
}

/** The part of WebAssembly that is needed; the types of Node have none. */
interface Assembly {
  readonly Module: new (code: Uint8Array) => object;
  readonly Instance: new (module: object) => { readonly exports: Code };
}

let compiled: object | undefined;

function instantiate(): Code {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- part of every Node
  const assembly = Reflect.get(globalThis, "WebAssembly") as Assembly;
  compiled ??= new assembly.Module(Buffer.from(CONTENT_KERNEL, "base64"));
  return new assembly.Instance(compiled).exports;
}

/** Where the tables of a search lie, in the memory of a kernel. */
export interface SearchTables {
  readonly filterAt: number;
  readonly slotsAt: number;
  readonly weakAt: number;
  readonly strongAt: number;
  /** What is left of a hashed sum is a slot when it is shifted by so many bits. */
  readonly shift: number;
  readonly slotMask: number;
}

/**
 * The loops over content in WebAssembly with SIMD, several times as fast as they are in JavaScript: weak sums, XXH3-128, and the
 * search of a sender. They work where the content lies: it is read into {@link content}, and never copied. That is why XXH3-128 is here
 * beside hash-wasm's, which everything else takes: a call and a copy for each block cost several times the sum itself.
 *
 * Views of the memory (`content`, `weakSums`, …) are asked for anew after each {@link reserve}.
 */
export class ContentKernel {
  readonly #code: Code = instantiate();
  #content: Buffer | undefined;

  /** @param seed - of the strong sums of blocks: a signed 32-bit integer */
  constructor(seed: number) {
    this.#code.seed(BigInt(seed));
  }

  /** Where content is put: {@link CONTENT_BYTES}. Positions of the other methods count from its beginning. */
  get content(): Buffer {
    const { buffer } = this.#code.memory;
    if (this.#content?.buffer !== buffer) {
      this.#content = Buffer.from(buffer, CONTENT_AT, CONTENT_BYTES);
    }
    return this.#content;
  }

  /** The weak sum of `length` bytes of the content; see `weakSum`. */
  weak(start: number, length: number): number {
    return this.#code.weak(CONTENT_AT + start, length);
  }

  /**
   * Sums up `count` blocks that lie side by side: their weak sums, and the first `strongLength` bytes of their XXH3-128, if not 0.
   * @param length - of a block; more than {@link SHORT_INPUT_BYTES} where strong sums are wanted
   * @returns both, in memory that is used again
   */
  sums(
    start: number,
    length: number,
    count: number,
    strongLength: number,
  ): { readonly weak: Int32Array; readonly strong: Uint8Array } {
    this.#code.sums(CONTENT_AT + start, length, count, strongLength);
    const { buffer } = this.#code.memory;
    return {
      weak: new Int32Array(buffer, WEAK_AT, count),
      strong: new Uint8Array(buffer, STRONG_AT, count * strongLength),
    };
  }

  /** Whether {@link block} can hash so many bytes that lie at `data`. */
  canHash(data: Uint8Array, length: number): boolean {
    return length > SHORT_INPUT_BYTES && (this.#isHere(data) || length <= FOREIGN_BYTES);
  }

  /** The seeded XXH3-128 of bytes for which {@link canHash} holds, into `digest`. */
  block(data: Uint8Array, start: number, length: number, digest: Uint8Array): void {
    const { buffer } = this.#code.memory;
    if (this.#isHere(data)) {
      this.#code.block(data.byteOffset + start, length);
    } else {
      new Uint8Array(buffer, FOREIGN_AT, length).set(data.subarray(start, start + length));
      this.#code.block(FOREIGN_AT, length);
    }
    digest.set(new Uint8Array(buffer, DIGEST_AT, 16));
  }

  /** Begins the XXH3-128 of a file, without a seed. */
  fileReset(): void {
    this.#code.fileReset();
  }

  /** Goes on with the file. What lies in {@link content} is not copied. */
  fileUpdate(data: Uint8Array): void {
    if (this.#isHere(data)) {
      this.#code.fileUpdate(data.byteOffset, data.length);
      return;
    }
    for (let at = 0; at < data.length; at += FOREIGN_BYTES) {
      const piece = data.subarray(at, at + FOREIGN_BYTES);
      new Uint8Array(this.#code.memory.buffer, FOREIGN_AT, FOREIGN_BYTES).set(piece);
      this.#code.fileUpdate(FOREIGN_AT, piece.length);
    }
  }

  /** Ends the file: its digest, or all of its bytes when they are no more than {@link SHORT_INPUT_BYTES}. A view. */
  fileDigest(): { readonly digest: Uint8Array } | { readonly bytes: Uint8Array } {
    const length = this.#code.fileDigest();
    const { buffer } = this.#code.memory;
    return length > SHORT_INPUT_BYTES
      ? { digest: new Uint8Array(buffer, DIGEST_AT, 16) }
      : { bytes: new Uint8Array(buffer, HELD_AT, length) };
  }

  /** Makes room for tables behind the content. @returns the memory, and where the room begins in it */
  reserve(bytes: number): { readonly memory: ArrayBuffer; readonly at: number } {
    const { memory } = this.#code;
    const lacking = TABLES_AT + bytes - memory.buffer.byteLength;
    if (lacking > 0) memory.grow(Math.ceil(lacking / PAGE_BYTES));
    return { memory: memory.buffer, at: TABLES_AT };
  }

  /**
   * Compares the content from `start` on with the sums of blocks of equal length in a row.
   *
   * @param first - the block to begin with
   * @param most - blocks
   * @returns how many are the same. Where they are fewer than `most`, {@link stoppedSum} is the weak sum of the next in the content
   */
  run(
    start: number,
    length: number,
    first: number,
    most: number,
    { weakAt, strongAt }: SearchTables,
    strongLength: number,
  ): number {
    return this.#code.run(
      CONTENT_AT + start,
      length,
      most,
      weakAt + 4 * first,
      strongAt + strongLength * first,
      strongLength,
    );
  }

  /** See {@link run}. */
  get stoppedSum(): number {
    return new Int32Array(this.#code.memory.buffer, STOPPED_SUM_AT, 1)[0] ?? 0;
  }

  /** The two halves of the weak sum of the window that {@link slide} moves: only their lower 16 bits count. */
  get window(): Int32Array {
    return new Int32Array(this.#code.memory.buffer, WINDOW_AT, 2);
  }

  /**
   * Moves the window from `start` on, byte by byte, to the first place up to `last` where its weak sum is that of a block; the byte
   * behind the window is read even there.
   * @returns that place, or `last` + 1
   */
  slide(start: number, last: number, length: number, tables: SearchTables): number {
    const { filterAt, slotsAt, weakAt, shift, slotMask } = tables;
    const at = this.#code.slide(
      CONTENT_AT + start,
      CONTENT_AT + last,
      length,
      filterAt,
      slotsAt,
      weakAt,
      shift,
      slotMask,
    );
    return at - CONTENT_AT;
  }

  #isHere(data: Uint8Array): boolean {
    return data.buffer === this.#code.memory.buffer;
  }
}
