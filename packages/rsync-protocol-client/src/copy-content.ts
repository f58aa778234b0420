import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { Slices } from "./slices.ts";

const COPY_BYTES = 256 * 1024;

/** Copies what is left of an open file to another, in slices. @returns the digest of what was copied, if one is wanted */
export async function copyContent(
  from: number,
  to: number,
  contentDigest?: "sha256",
): Promise<Uint8Array | undefined> {
  const buffer = Buffer.allocUnsafe(COPY_BYTES);
  const digest = contentDigest && createHash(contentDigest);
  const slices = new Slices();
  for (let count = fs.readSync(from, buffer); count > 0; count = fs.readSync(from, buffer)) {
    const piece = buffer.subarray(0, count);
    digest?.update(piece);
    for (let at = 0; at < count; ) at += fs.writeSync(to, piece, at);
    if (slices.over) await slices.rest();
  }
  return digest?.digest();
}
