import { LIMITS } from "@dialhome/rsync-protocol";

/** What most programs write at a time, in bytes: pages of memory, of databases, of disk images. */
const PAGE_BYTES = 4096;

/** So many blocks of one file are worth their sums, which are 8 bytes each. */
const MOST_BLOCKS = 262_144;

/**
 * The block length for `smallBlocks`: whole pages, as few as the number of blocks allows.
 * @returns undefined where rsync's own choice, the square root of the length, is no longer than a page
 */
export function smallBlockLength(basisBytes: number): number | undefined {
  if (basisBytes <= PAGE_BYTES * PAGE_BYTES) return undefined;
  const pages = Math.ceil(basisBytes / MOST_BLOCKS / PAGE_BYTES);
  return Math.min(pages * PAGE_BYTES, LIMITS.blockBytes);
}
