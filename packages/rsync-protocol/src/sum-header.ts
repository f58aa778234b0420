import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { LIMITS } from "./constants.ts";
import { RsyncError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";

/** The four integers in front of block sums; all zero when there is no basis. */
export interface SumHeader {
  /** Number of blocks. */
  readonly count: number;
  /** Length of each block but the last, in bytes. */
  readonly blockLength: number;
  /** Bytes of each strong sum that are sent. */
  readonly strongLength: number;
  /** Length of the last block if it is shorter, else 0. */
  readonly remainder: number;
}

/** The header of a request without basis. */
export const NO_SUMS: SumHeader = { count: 0, blockLength: 0, strongLength: 0, remainder: 0 };

/** Options of {@link chooseSumHeader}. */
export interface SumChoice {
  /** Digest length of the session's checksum, in bytes; at most 16 bytes of it are sent. */
  readonly digestLength: number;
  /** Second attempt after a failed verification: strong sums at full length. @defaultValue false */
  readonly redo?: boolean;
  /** Fixed block length in bytes (`-B`). @defaultValue by the length of the file */
  readonly blockLength?: number;
}

/** Smallest block length that is chosen, in bytes (rsync.h BLOCK_SIZE). */
const SMALLEST_BLOCK = 700;
/** At most this much of a strong sum is sent, in bytes (rsync.h SUM_LENGTH). */
const LONGEST_STRONG = 16;

/** About the square root of the length, rounded down to a multiple of 8 (generator.c sum_sizes_sqroot). */
function defaultBlockLength(length: number): number {
  if (length <= SMALLEST_BLOCK * SMALLEST_BLOCK) return SMALLEST_BLOCK;
  let bit = 1;
  for (let l = Math.floor(length / 4); l > 0; l = Math.floor(l / 4)) bit *= 2;
  if (bit >= LIMITS.blockBytes) return LIMITS.blockBytes;
  let block = 0;
  for (; bit >= 8; bit /= 2) {
    const tried = block + bit;
    if (length >= tried * tried) block = tried;
  }
  return Math.max(block, SMALLEST_BLOCK);
}

function defaultStrongLength(length: number, blockLength: number, longest: number): number {
  let bits = 10;
  for (let l = Math.floor(length / 2); l > 0; l = Math.floor(l / 2)) bits += 2;
  for (let b = blockLength >> 1; b > 0 && bits > 0; b >>= 1) bits--;
  const bytes = Math.trunc((bits + 1 - 32 + 7) / 8);
  return Math.min(Math.max(bytes, 2), longest);
}

/** Chooses the block geometry for a basis of `length` bytes as rsync's generator does. */
export function chooseSumHeader(length: number, choice: SumChoice): SumHeader {
  const longest = Math.min(LONGEST_STRONG, choice.digestLength);
  const blockLength = choice.blockLength ?? defaultBlockLength(length);
  const strongLength =
    choice.redo === true ? longest : defaultStrongLength(length, blockLength, longest);
  return {
    count: Math.ceil(length / blockLength),
    blockLength,
    strongLength,
    remainder: length % blockLength,
  };
}

/**
 * Checks a header that came from the peer.
 *
 * @param largestBlock - bytes; below protocol 30 a block may be larger
 * @throws RsyncError `ERR_RSYNC_PROTOCOL` with exit code 2 when a number is out of range
 */
export function assertSumHeader(
  header: SumHeader,
  digestLength: number,
  largestBlock: number = LIMITS.blockBytes,
): void {
  const { count, blockLength, strongLength, remainder } = header;
  check("count", count, LIMITS.blocks);
  check("block length", blockLength, largestBlock);
  check("strong sum length", strongLength, digestLength);
  check("remainder", remainder, blockLength);
  if (count > 0 && blockLength === 0) {
    throw new RsyncError("ERR_RSYNC_PROTOCOL", `sum header: ${count} blocks of length 0`, {
      exitCode: EXIT.PROTOCOL,
    });
  }
}

function check(name: string, value: number, max: number): void {
  if (value >= 0 && value <= max) return;
  throw new RsyncError(
    "ERR_RSYNC_PROTOCOL",
    `sum header: ${name} ${value} is not within 0 to ${max}`,
    { exitCode: EXIT.PROTOCOL },
  );
}

/** Writes the four integers. */
export function writeSumHeader(writer: ByteWriter, header: SumHeader): void {
  writer.int(header.count);
  writer.int(header.blockLength);
  writer.int(header.strongLength);
  writer.int(header.remainder);
}

/** Reads the four integers within an attempt, and checks them with {@link assertSumHeader}. */
export function readSumHeader(
  reader: ByteReader,
  digestLength: number,
  largestBlock: number = LIMITS.blockBytes,
): SumHeader {
  const header: SumHeader = {
    count: reader.int(),
    blockLength: reader.int(),
    strongLength: reader.int(),
    remainder: reader.int(),
  };
  assertSumHeader(header, digestLength, largestBlock);
  return header;
}

/** Length of block `index` in bytes. */
export function blockLengthAt(header: SumHeader, index: number): number {
  return index === header.count - 1 && header.remainder > 0 ? header.remainder : header.blockLength;
}

/** Where block `index` begins in the basis, in bytes. */
export function blockOffsetAt(header: SumHeader, index: number): number {
  return index * header.blockLength;
}

/** Length of the basis that the header describes, in bytes. */
export function basisLength(header: SumHeader): number {
  if (header.count === 0) return 0;
  return blockOffsetAt(header, header.count - 1) + blockLengthAt(header, header.count - 1);
}
