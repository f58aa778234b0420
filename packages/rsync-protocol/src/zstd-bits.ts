/**
 * Reads a bit stream of zstd from its end to its beginning (RFC 8878, section 4.1): the last byte's highest set bit only marks
 * where it begins. Bits before the beginning are zeros; {@link ZstdBits.left} is negative then.
 */
export class ZstdBits {
  #bytes: Uint8Array = new Uint8Array(0);
  #start = 0;
  /** Bits that were not read yet. */
  left = 0;

  /**
   * Starts on the bytes from `start` to `end`, behind which the array must go on for 4 bytes.
   * @returns false when it has no mark
   */
  begin(bytes: Uint8Array, start: number, end: number): boolean {
    const last = end > start ? bytes[end - 1]! : 0;
    this.#bytes = bytes;
    this.#start = start;
    this.left = (end - start) * 8 - 1 - (Math.clz32(last) - 24);
    return last !== 0;
  }

  /** The next `count` bits, at most 24, without taking them. */
  peek(count: number): number {
    const from = this.left - count;
    if (from >= 0) {
      const bytes = this.#bytes;
      const at = this.#start + (from >>> 3);
      const word =
        bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
      return (word >>> (from & 7)) & ((1 << count) - 1);
    }
    if (this.left <= 0) return 0;
    const bytes = this.#bytes;
    const at = this.#start;
    const word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16);
    return (word & ((1 << this.left) - 1)) << -from;
  }

  /** Takes the next `count` bits, at most 24. */
  read(count: number): number {
    const value = this.peek(count);
    this.left -= count;
    return value;
  }
}
