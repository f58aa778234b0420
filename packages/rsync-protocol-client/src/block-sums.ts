import {
  blockLengthAt,
  type Checksum,
  type SumHeader,
  signedView,
  type Wire,
  weakSum,
} from "@dialhome/rsync-protocol";
import { type BasisSource, readBasis } from "./basis-source.ts";
import { Slices } from "./slices.ts";

/** Bytes of the basis that are read at once; a multiple of no block length in particular. */
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
  const weak = new Int32Array(header.count);
  const strong = new Uint8Array(header.count * header.strongLength);
  const perRead = Math.max(1, Math.floor(READ_BYTES / header.blockLength));
  const buffer = Buffer.allocUnsafe(Math.min(perRead, header.count) * header.blockLength);
  const signed = signedView(buffer);
  const slices = new Slices();
  for (let block = 0; block < header.count; ) {
    const end = Math.min(header.count, block + perRead);
    const bytes = (end - block - 1) * header.blockLength + blockLengthAt(header, end - 1);
    const later = readBasis(source, buffer, bytes, block * header.blockLength);
    if (later) await later;
    for (let at = 0; block < end; block++, at += header.blockLength) {
      const length = blockLengthAt(header, block);
      weak[block] = weakSum(signed, at, length);
      const sum = checksum.block(buffer, at, length);
      strong.set(sum.subarray(0, header.strongLength), block * header.strongLength);
    }
    if (slices.over) await slices.rest();
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
