import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { COPY_CHUNK_BYTES } from "./constants.ts";
import type { TimeSlice } from "./time-slice.ts";

/** One buffer for all files: each chunk is hashed before anything else can run. */
const chunk = Buffer.allocUnsafeSlow(COPY_CHUNK_BYTES);

/** SHA-256 and length of an open file from its beginning, in slices. The descriptor stays the caller's. */
export async function digestOfFile(
  fd: number,
  slice: TimeSlice,
): Promise<{ readonly digest: Buffer; readonly size: number }> {
  const hash = createHash("sha256");
  let size = 0;
  for (;;) {
    const count = fs.readSync(fd, chunk, 0, chunk.length, size);
    if (count === 0) break;
    hash.update(chunk.subarray(0, count));
    size += count;
    if (slice.due(Math.ceil(count / 4096))) await slice.pause();
  }
  return { digest: hash.digest(), size };
}
