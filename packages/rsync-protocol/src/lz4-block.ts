import { protocolError } from "./errors.ts";

// The LZ4 block format: https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md

/** Shortest match. */
const MIN_MATCH = 4;
/** A block's last bytes are literals, and no match begins closer to its end than this. */
const LAST_LITERALS = 5;
const MATCH_FIND_LIMIT = 12;
/** Farthest a match may reach back. */
const MAX_DISTANCE = 65_535;
const HASH_BITS = 12;

/** Largest size that `length` bytes can have as a block. */
export function lz4Bound(length: number): number {
  return length + Math.floor(length / 255) + 16;
}

/** Compresses blocks, one independent of the other. */
export class Lz4Compressor {
  /** Where a hash was seen last, as position + 1; 0 is never. */
  readonly #table = new Uint32Array(1 << HASH_BITS);

  /** @returns the length of the block, which is written to `target`, where {@link lz4Bound} bytes are free */
  compress(source: Uint8Array, target: Uint8Array): number {
    const table = this.#table.fill(0);
    const length = source.length;
    const findEnd = length - MATCH_FIND_LIMIT;
    const matchEnd = length - LAST_LITERALS;
    let anchor = 0;
    let out = 0;
    let misses = 0;
    for (let at = 0; at <= findEnd; ) {
      const word = load(source, at);
      const hash = Math.imul(word, 0x9e3779b1) >>> (32 - HASH_BITS);
      const candidate = table[hash]! - 1;
      table[hash] = at + 1;
      if (candidate < 0 || at - candidate > MAX_DISTANCE || load(source, candidate) !== word) {
        // The longer nothing is found, the larger the steps.
        at += 1 + (misses++ >> 6);
        continue;
      }
      misses = 0;
      let end = at + MIN_MATCH;
      for (let from = candidate + MIN_MATCH; end < matchEnd && source[from] === source[end]; from++)
        end++;
      const literals = at - anchor;
      const extra = end - at - MIN_MATCH;
      target[out++] = (Math.min(literals, 15) << 4) | Math.min(extra, 15);
      out = writeLength(target, out, literals);
      target.set(source.subarray(anchor, at), out);
      out += literals;
      target[out++] = (at - candidate) & 0xff;
      target[out++] = (at - candidate) >> 8;
      out = writeLength(target, out, extra);
      at = end;
      anchor = end;
    }
    const literals = length - anchor;
    target[out++] = Math.min(literals, 15) << 4;
    out = writeLength(target, out, literals);
    target.set(source.subarray(anchor), out);
    return out + literals;
  }
}

function load(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}

/** The part of a length that did not fit into its four bits. */
function writeLength(target: Uint8Array, at: number, length: number): number {
  let out = at;
  let rest = length - 15;
  if (rest < 0) return out;
  for (; rest >= 255; rest -= 255) target[out++] = 255;
  target[out++] = rest;
  return out;
}

/**
 * Decompresses one block into `target`.
 *
 * @returns the number of bytes
 * @throws RsyncError for what is no block, or is larger than `target`
 */
export function lz4Decompress(source: Uint8Array, target: Uint8Array): number {
  const end = source.length;
  let at = 0;
  let out = 0;
  for (;;) {
    if (at >= end) throw corrupt("ends early");
    const token = source[at++]!;
    let literals = token >> 4;
    if (literals === 15) {
      for (let more = 255; more === 255; literals += more) {
        if (at >= end) throw corrupt("ends early");
        more = source[at++]!;
      }
    }
    if (literals > end - at) throw corrupt("ends early");
    if (literals > target.length - out) throw corrupt("is too large");
    target.set(source.subarray(at, at + literals), out);
    at += literals;
    out += literals;
    // Only literals are at the end of a block.
    if (at === end) return out;
    if (end - at < 2) throw corrupt("ends early");
    const distance = source[at]! | (source[at + 1]! << 8);
    at += 2;
    if (distance === 0 || distance > out) throw corrupt("refers to what is not there");
    let length = (token & 15) + MIN_MATCH;
    if ((token & 15) === 15) {
      for (let more = 255; more === 255; length += more) {
        if (at >= end) throw corrupt("ends early");
        more = source[at++]!;
      }
    }
    if (length > target.length - out) throw corrupt("is too large");
    copyMatch(target, out, distance, length);
    out += length;
  }
}

function copyMatch(target: Uint8Array, out: number, distance: number, length: number): void {
  if (distance >= length) {
    target.copyWithin(out, out - distance, out - distance + length);
    return;
  }
  for (let i = 0; i < length; i++) target[out + i] = target[out + i - distance]!;
}

function corrupt(what: string): Error {
  return protocolError(`compressed data: an LZ4 block ${what}`);
}
