import {
  blockLengthAt,
  type Checksum,
  KERNEL_BLOCKS,
  SHORT_INPUT_BYTES,
  type SumHeader,
  type Wire,
} from "@dialhome/rsync-protocol";
import { type BasisSource, readBasis } from "./basis-source.ts";
import { Slices } from "./slices.ts";

/** Bytes of the basis that are read at once, where a block is no longer. */
const READ_BYTES = 512 * 1024;

/** Sums of all blocks of a basis, as they travel: for each block the weak sum and the beginning of the strong one. */
export interface BlockSums {
  readonly weak: Int32Array;
  /** `strongLength` bytes a block. */
  readonly strong: Uint8Array;
}

/**
 * Sums up a basis. Of a local file synchronous within a slice; a basis that is shorter than its header says throws.
 */
export async function sumBlocks(
  source: BasisSource,
  header: SumHeader,
  checksum: Checksum,
): Promise<BlockSums> {
  const { count, blockLength, strongLength, remainder } = header;
  const weak = new Int32Array(count);
  const strong = new Uint8Array(count * strongLength);
  const kernel = checksum.secondKernel;
  const isForKernel = checksum.name === "xxh128" && blockLength > SHORT_INPUT_BYTES;
  const { content } = kernel;
  const fullBlocks = remainder > 0 ? count - 1 : count;
  const perRead = Math.min(KERNEL_BLOCKS, Math.max(1, Math.floor(READ_BYTES / blockLength)));
  const slices = new Slices();
  const sumStrongly = (block: number, at: number): void => {
    const sum = checksum.block(content, at, blockLengthAt(header, block));
    strong.set(sum.subarray(0, strongLength), block * strongLength);
  };
  for (let block = 0; block < fullBlocks; ) {
    const blocks = Math.min(fullBlocks - block, perRead);
    const later = readBasis(source, content, blocks * blockLength, block * blockLength);
    if (later) await later;
    const sums = kernel.sums(0, blockLength, blocks, isForKernel ? strongLength : 0);
    weak.set(sums.weak, block);
    if (isForKernel) strong.set(sums.strong, block * strongLength);
    else for (let i = 0; i < blocks; i++) sumStrongly(block + i, i * blockLength);
    block += blocks;
    if (slices.over) await slices.rest();
  }
  if (remainder > 0) {
    const later = readBasis(source, content, remainder, fullBlocks * blockLength);
    if (later) await later;
    weak[fullBlocks] = kernel.weak(0, remainder);
    sumStrongly(fullBlocks, 0);
  }
  return { weak, strong };
}

/** Writes the sums behind their header, a frame at a time. */
export function writeBlockSums(wire: Wire, header: SumHeader, sums: BlockSums): void {
  for (let block = 0; block < header.count; block++) {
    wire.out.int(sums.weak[block]!);
    const at = block * header.strongLength;
    wire.out.bytes(sums.strong.subarray(at, at + header.strongLength));
    wire.pushFull();
  }
}
