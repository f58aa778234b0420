import { randomInt } from "node:crypto";
import { StoreError } from "./errors.ts";

const OFFSET_LIMIT = 0xffff_ffff;

/**
 * A set of paths, numbered in the order they came. All bytes lie in one buffer and all numbers in typed arrays:
 * a path costs its own bytes and some 12 to 20 more, where a `Map` of strings costs over a hundred.
 * The index by path is made when it is first asked for: whoever looks paths up in the order they came needs none.
 */
export class PathTable {
  /** Keys of the hash, so that nobody can choose paths that all fall on one slot. */
  readonly #key0: number = randomInt(0x1_0000_0000) | 0;
  readonly #key1: number = randomInt(0x1_0000_0000) | 0;
  #bytes: Buffer;
  #ends: Uint32Array;
  /** Open addressing: number of a path plus one, or 0. Its length is a power of two. */
  #slots: Uint32Array = new Uint32Array(16);
  #size = 0;
  #used = 0;
  /** Paths that are in the index. */
  #indexed = 0;

  /** `expected` is a hint that spares growing. */
  constructor(expected = 1024) {
    const entries = Math.min(Math.max(expected, 16), 1 << 24);
    this.#bytes = Buffer.allocUnsafeSlow(entries * 32);
    this.#ends = new Uint32Array(entries);
  }

  get size(): number {
    return this.#size;
  }

  /** The number of a path, or −1. Of two that were appended and are the same, the first. */
  find(path: Uint8Array): number {
    this.#index();
    return (this.#slots[this.#slotOf(path)] ?? 0) - 1;
  }

  /** Whether a number is that of a path: far cheaper than to {@link find} it. */
  is(number: number, path: Uint8Array): boolean {
    return number < this.#size && this.#equals(number, path);
  }

  /** The number of a path, added when it is new. Compare with the {@link size} before to know which. */
  add(path: Uint8Array): number {
    const number = this.find(path);
    return number < 0 ? this.append(path) : number;
  }

  /** Adds a path that is known to be new. @returns its number */
  append(path: Uint8Array): number {
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
    return this.#size++;
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

  /** Brings the index up to date. */
  #index(): void {
    if (this.#indexed === this.#size) return;
    if (this.#size * 4 > this.#slots.length * 3) {
      this.#slots = new Uint32Array(2 ** Math.ceil(Math.log2(this.#size * 1.5 + 1)));
      this.#indexed = 0;
    }
    for (; this.#indexed < this.#size; this.#indexed++) {
      const slot = this.#slotOf(this.#view(this.#indexed));
      if (this.#slots[slot] === 0) this.#slots[slot] = this.#indexed + 1;
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
