import type { Checksum } from "@dialhome/rsync-protocol";
import { type BasisSource, closeSource, readNext } from "./basis-source.ts";
import { Slices } from "./slices.ts";

const READ_BYTES = 256 * 1024;

/** Whether a file here has the checksum that the list told (`-c`). */
export async function sameChecksum(
  open: () => BasisSource | Promise<BasisSource>,
  checksum: Checksum,
  expected: Buffer | undefined,
): Promise<boolean> {
  if (!expected) return false;
  const source = await open();
  try {
    return expected.equals(await digestOf(source, Buffer.allocUnsafe(READ_BYTES), checksum));
  } finally {
    await closeSource(source);
  }
}

async function digestOf(
  source: BasisSource,
  buffer: Buffer,
  checksum: Checksum,
): Promise<Uint8Array> {
  const hasher = checksum.fileHasher();
  const slices = new Slices();
  for (let position = 0; ; ) {
    const read = readNext(source, buffer, position);
    const count = typeof read === "number" ? read : await read;
    if (count === 0) return hasher.digest();
    hasher.update(buffer.subarray(0, count));
    position += count;
    if (slices.over) await slices.rest();
  }
}
