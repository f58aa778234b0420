import * as fs from "node:fs";
import type { Checksum } from "@dialhome/rsync-protocol";
import { Slices } from "./slices.ts";

const READ_BYTES = 256 * 1024;

/** Whether a file here has the checksum that the list told (`-c`). */
export async function sameChecksum(
  open: () => number,
  checksum: Checksum,
  expected: Buffer | undefined,
): Promise<boolean> {
  if (!expected) return false;
  const fd = open();
  try {
    const buffer = Buffer.allocUnsafe(READ_BYTES);
    const digest = await digestOf(fd, buffer, checksum);
    return expected.equals(digest);
  } finally {
    fs.closeSync(fd);
  }
}

async function digestOf(fd: number, buffer: Buffer, checksum: Checksum): Promise<Uint8Array> {
  const hasher = checksum.fileHasher();
  const slices = new Slices();
  for (let count = fs.readSync(fd, buffer); count > 0; count = fs.readSync(fd, buffer)) {
    hasher.update(buffer.subarray(0, count));
    if (slices.over) await slices.rest();
  }
  return hasher.digest();
}
