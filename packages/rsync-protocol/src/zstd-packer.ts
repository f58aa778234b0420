import type { Packer } from "./compressed-tokens.ts";
import { ZstdBlockWriter } from "./zstd-block-writer.ts";
import { WINDOW_LOG, ZstdMatcher } from "./zstd-matcher.ts";

/** Largest block, in bytes. */
const BLOCK_BYTES = 128 * 1024;

/** The head of a frame without a length or a checksum: magic number, flags, window. */
const FRAME_HEAD: Buffer = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0, (WINDOW_LOG - 10) << 3]);

/**
 * Makes one zstd stream of the whole session, in one frame, as rsync's sender does: later files refer to earlier ones. A piece is
 * compressed as it is added, in blocks of its own, so that nothing has to be flushed.
 *
 * It is written here because no library compresses with a flush on Node 20: zlib has zstd from Node 22.15 on, packages in WebAssembly
 * compress whole buffers alone, and native ones have to be built.
 */
export class ZstdPacker implements Packer {
  readonly #matcher: ZstdMatcher;
  readonly #blocks = new ZstdBlockWriter();
  readonly #head = Buffer.alloc(3);
  #begun = false;

  /** @param level - −131,072 to 22; how long repetitions are looked for, in a few steps */
  constructor(level: number) {
    this.#matcher = new ZstdMatcher(depthOf(level));
  }

  add(data: Uint8Array, emit: (compressed: Uint8Array) => void): void {
    if (!this.#begun) emit(FRAME_HEAD);
    this.#begun = true;
    for (let at = 0; at < data.length; at += BLOCK_BYTES) {
      this.#addBlock(data.subarray(at, at + BLOCK_BYTES), emit);
    }
  }

  flush(): void {
    // Nothing is held back.
  }

  reset(): void {
    // The stream goes on with the next file.
  }

  #addBlock(data: Uint8Array, emit: (compressed: Uint8Array) => void): void {
    const blocks = this.#blocks;
    const start = this.#matcher.add(data);
    blocks.begin(this.#matcher.buffer, start);
    const rest = this.#matcher.find(start, blocks.lastDistance, blocks.sequence);
    const block = blocks.end(start + data.length - rest);
    // Kind 2 is a compressed block, kind 0 a stored one. None is the last: the session has no last block.
    const isSmaller = block.length < data.length;
    this.#head.writeUIntLE(isSmaller ? (block.length << 3) | (2 << 1) : data.length << 3, 0, 3);
    if (isSmaller) blocks.keep();
    else blocks.drop();
    emit(Buffer.concat([this.#head, isSmaller ? block : data]));
  }
}

/** What is looked at for each level, in places. */
function depthOf(level: number): number {
  if (level <= 2) return 1;
  if (level <= 5) return 3;
  return level <= 9 ? 16 : 64;
}
