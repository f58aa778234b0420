import { randomInt } from "node:crypto";
import { StoreError } from "./errors.ts";

const OFFSET_LIMIT = 0xffff_ffff;

/**
 * A set of paths, numbered in the order they came. All bytes lie in one buffer and all numbers in typed arrays:
 * a path costs its own bytes and some 12 to 20 more, where a `Map` of strings costs over a hundred.
 */
export class PathTable {
  /** Keys of the hash, so that nobody can choose paths that all fall on one slot. */
  readonly #key0: number = randomInt(0x1_0000_0000) | 0;
  readonly #key1: number = randomInt(0x1_0000_0000) | 0;
  #bytes: Buffer;
  #ends: Uint32Array;
  /** Open addressing: number of a path plus one, or 0. Its length is a power of two. */
  #slots: Uint32Array;
  #size = 0;
  #used = 0;

  /** `expected` is a hint that spares growing. */
  constructor(expected = 1024) {
    const entries = Math.min(Math.max(expected, 16), 1 << 24);
    this.#bytes = Buffer.allocUnsafeSlow(entries * 32);
    this.#ends = new Uint32Array(entries);
    this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(entries * 1.5)));
  }

  get size(): number {
    return this.#size;
  }

  /** The number of a path, or −1. */
  find(path: Uint8Array): number {
    return (this.#slots[this.#slotOf(path)] ?? 0) - 1;
  }

  /** The number of a path, added when it is new. Compare with the {@link size} before to know which. */
  add(path: Uint8Array): number {
    const slot = this.#slotOf(path);
    const found = this.#slots[slot] ?? 0;
    if (found !== 0) return found - 1;
    const number = this.#size;
    this.#append(path);
    this.#slots[slot] = number + 1;
    this.#size = number + 1;
    if (this.#size * 4 > this.#slots.length * 3) this.#rehash();
    return number;
  }

  /** The path of a number. */
  get(number: number): Buffer {
    if (number < 0 || number >= this.#size) throw new Error(`path ${number} of ${this.#size}`);
    return Buffer.from(this.#view(number));
  }

  #view(number: number): Buffer {
    const start = number === 0 ? 0 : (this.#ends[number - 1] ?? 0);
    return this.#bytes.subarray(start, this.#ends[number]);
  }

  #append(path: Uint8Array): void {
    const end = this.#used + path.length;
    if (end > OFFSET_LIMIT) {
      throw new StoreError("ERR_STORE_LIMIT", `the paths have over ${OFFSET_LIMIT} bytes`);
    }
    if (end > this.#bytes.length) {
      const grown = Buffer.allocUnsafeSlow(Math.max(end, Math.ceil(this.#bytes.length * 1.5)));
      this.#bytes.copy(grown, 0, 0, this.#used);
      this.#bytes = grown;
    }
    if (this.#size === this.#ends.length) {
      const grown = new Uint32Array(Math.ceil(this.#ends.length * 1.5));
      grown.set(this.#ends);
      this.#ends = grown;
    }
    this.#bytes.set(path, this.#used);
    this.#used = end;
    this.#ends[this.#size] = end;
  }

  #slotOf(path: Uint8Array): number {
    const mask = this.#slots.length - 1;
    let slot = this.#hash(path) & mask;
    for (;;) {
      const number = (this.#slots[slot] ?? 0) - 1;
      if (number < 0 || this.#equals(number, path)) return slot;
      slot = (slot + 1) & mask;
    }
  }

  #equals(number: number, path: Uint8Array): boolean {
    const start = number === 0 ? 0 : (this.#ends[number - 1] ?? 0);
    const end = this.#ends[number] ?? 0;
    if (end - start !== path.length) return false;
    const bytes = this.#bytes;
    for (let i = path.length - 1; i >= 0; i--) {
      if (bytes[start + i] !== path[i]) return false;
    }
    return true;
  }

  #rehash(): void {
    this.#slots = new Uint32Array(this.#slots.length * 2);
    const mask = this.#slots.length - 1;
    for (let number = 0; number < this.#size; number++) {
      let slot = this.#hash(this.#view(number)) & mask;
      while (this.#slots[slot] !== 0) slot = (slot + 1) & mask;
      this.#slots[slot] = number + 1;
    }
  }

  /** A keyed 32-bit hash: the rounds of HalfSipHash-1-3, whose output cannot be steered without the key. */
  #hash(path: Uint8Array): number {
    let v0 = this.#key0;
    let v1 = this.#key1;
    let v2 = 0x6c79_6765 ^ this.#key0;
    let v3 = 0x7465_6462 ^ this.#key1;
    const { length } = path;
    const whole = length & ~3;
    for (let i = 0; i <= whole; i += 4) {
      let word = 0;
      if (i < whole) {
        word =
          (path[i] ?? 0) |
          ((path[i + 1] ?? 0) << 8) |
          ((path[i + 2] ?? 0) << 16) |
          ((path[i + 3] ?? 0) << 24);
      } else {
        word = length << 24;
        for (let j = whole; j < length; j++) word |= (path[j] ?? 0) << (8 * (j - whole));
      }
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    v2 ^= 0xff;
    for (let round = 0; round < 3; round++) {
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
    }
    return (v1 ^ v3) >>> 0;
  }
}
