/** Writes a bit stream of zstd, the mirror of `ZstdBits`: what is written last is read first. */
export class ZstdBitWriter {
  #bytes: Uint8Array = new Uint8Array(0);
  #at = 0;
  #bits = 0;
  #bitCount = 0;

  /** Starts at `start`. The array must have room for all that follows. */
  begin(bytes: Uint8Array, start: number): void {
    this.#bytes = bytes;
    this.#at = start;
    this.#bits = 0;
    this.#bitCount = 0;
  }

  /** Appends the low `count` bits of `value`, at most 24. */
  add(value: number, count: number): void {
    this.#bits |= (value & ((1 << count) - 1)) << this.#bitCount;
    this.#bitCount += count;
    while (this.#bitCount >= 8) {
      this.#bytes[this.#at++] = this.#bits;
      this.#bits >>>= 8;
      this.#bitCount -= 8;
    }
  }

  /** Writes what is left, filled up with zeros. @returns the offset behind it */
  finish(): number {
    if (this.#bitCount > 0) this.#bytes[this.#at++] = this.#bits;
    return this.#at;
  }

  /** Writes the mark that a reader begins at. @returns the offset behind it */
  finishWithMark(): number {
    this.add(1, 1);
    return this.finish();
  }
}
