/**
 * Writes rsync's primitives into a buffer that grows, the mirror of `ByteReader`.
 * Whoever owns it takes the bytes with {@link take}.
 */
export class ByteWriter {
  readonly #capacity: number;
  readonly #headroom: number;
  #buffer: Buffer;
  /** Where the next byte goes. */
  #length: number;

  /**
   * @param capacity Bytes to begin with; it doubles when they are used up.
   * @param headroom Bytes that are left free in front, for whoever takes what was written; they are no part of {@link length}
   */
  constructor(capacity = 1024, headroom = 0) {
    this.#capacity = headroom + capacity;
    this.#headroom = headroom;
    this.#buffer = Buffer.allocUnsafeSlow(this.#capacity);
    this.#length = headroom;
  }

  /** Bytes written since the last {@link take}. */
  get length(): number {
    return this.#length - this.#headroom;
  }

  /** Hands over what was written, behind the headroom, and starts anew. The bytes are the caller's. */
  take(): Buffer {
    const bytes = this.#buffer.subarray(0, this.#length);
    this.#length = this.#headroom;
    // What fills little of the buffer would hold all of it.
    if (2 * bytes.length < this.#buffer.length) return Buffer.from(bytes);
    this.#buffer = Buffer.allocUnsafeSlow(this.#capacity);
    return bytes;
  }

  byte(value: number): void {
    this.#room(1);
    this.#buffer[this.#length++] = value;
  }

  /** 16 bits, unsigned. */
  shortint(value: number): void {
    this.#room(2);
    this.#length = this.#buffer.writeUInt16LE(value & 0xffff, this.#length);
  }

  /** 32 bits, signed or unsigned alike. */
  int(value: number): void {
    this.#room(4);
    this.#length = this.#buffer.writeInt32LE(value | 0, this.#length);
  }

  /** 4 bytes, or 12 for what 31 bits do not hold. */
  longint(value: number): void {
    if (value >= 0 && value <= 0x7fff_ffff) {
      this.int(value);
      return;
    }
    const high = Math.floor(value / 0x1_0000_0000);
    this.int(-1);
    this.int(value - high * 0x1_0000_0000);
    this.int(high);
  }

  /** 1 to 5 bytes, 32 bits. */
  varint(value: number): void {
    this.#room(5);
    const v = value >>> 0;
    const used = v < 0x100 ? 1 : v < 0x1_0000 ? 2 : v < 0x100_0000 ? 3 : 4;
    this.#variable(v, 0, used, 1);
  }

  /** `minimum` to 9 bytes, 64 bits. */
  varlong(value: number, minimum: number): void {
    this.#room(9);
    const high = Math.floor(value / 0x1_0000_0000);
    const low = value - high * 0x1_0000_0000;
    let used = 8;
    while (used > minimum && byteOf(low, high, used - 1) === 0) used--;
    this.#variable(low, high, used, minimum);
  }

  bytes(data: Uint8Array): void {
    this.#room(data.length);
    this.#buffer.set(data, this.#length);
    this.#length += data.length;
  }

  /** A string of which each character is one byte. */
  latin1(text: string): void {
    this.#room(text.length);
    this.#length += this.#buffer.write(text, this.#length, "latin1");
  }

  /** A string behind its length in one byte, or two from 128 on; at most 32,767 bytes. */
  vstring(text: string): void {
    if (text.length > 0x7fff) throw new RangeError(`vstring of ${text.length} bytes`);
    if (text.length >= 0x80) this.byte(0x80 | (text.length >> 8));
    this.byte(text.length & 0xff);
    this.latin1(text);
  }

  /** The marker byte of a variable-length number, then its low bytes. */
  #variable(low: number, high: number, used: number, minimum: number): void {
    const top = byteOf(low, high, used - 1);
    const bit = 1 << (7 - used + minimum);
    let lowBytes = used - 1;
    if (top >= bit) {
      this.#buffer[this.#length++] = ~(bit - 1) & 0xff;
      lowBytes = used;
    } else if (used > minimum) {
      this.#buffer[this.#length++] = (top | ~(bit * 2 - 1)) & 0xff;
    } else {
      this.#buffer[this.#length++] = top;
    }
    for (let i = 0; i < lowBytes; i++) this.#buffer[this.#length++] = byteOf(low, high, i);
  }

  #room(count: number): void {
    const needed = this.#length + count;
    if (needed <= this.#buffer.length) return;
    const larger = Buffer.allocUnsafeSlow(Math.max(needed, this.#buffer.length * 2));
    this.#buffer.copy(larger, 0, 0, this.#length);
    this.#buffer = larger;
  }
}

/** Byte `index` of a 64-bit number given as two halves. */
function byteOf(low: number, high: number, index: number): number {
  return index < 4 ? (low >>> (8 * index)) & 0xff : (high >> (8 * (index - 4))) & 0xff;
}
