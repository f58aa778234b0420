import { isUtf8 } from "node:buffer";

const FIRST_BYTES = 64 * 1024;
/** What one byte becomes at most, as `\u001f`. */
const ESCAPED_BYTES = 6;
/** Digits of the largest safe integer, and a sign. */
const INTEGER_BYTES = 17;
const BILLION = 1_000_000_000;

const NEWLINE = 0x0a;
const QUOTE = 0x22;
const MINUS = 0x2d;
const ZERO = 0x30;
const BACKSLASH = 0x5c;
const TILDE = 0x7e;
const HEX_DIGITS = Buffer.from("0123456789abcdef");

/**
 * Lines of JSON that are gathered as the bytes that they are written as. With a string for each number, name and line, most of a
 * backup in which nothing has changed would be spent on those.
 */
export class LineBuffer {
  #bytes: Buffer = Buffer.allocUnsafeSlow(FIRST_BYTES);
  #length = 0;

  /** Bytes gathered. */
  get length(): number {
    return this.#length;
  }

  /** What was gathered, valid until more is; it begins anew. */
  take(): Buffer {
    const taken = this.#bytes.subarray(0, this.#length);
    this.#length = 0;
    return taken;
  }

  endLine(): void {
    this.#reserve(1);
    this.#bytes[this.#length++] = NEWLINE;
  }

  /** Text as it is. */
  text(text: string): void {
    this.#reserve(text.length * 3);
    this.#length += this.#bytes.write(text, this.#length);
  }

  /** Text of ASCII only, as it is: for the short words between the values. */
  ascii(text: string): void {
    const { length } = text;
    this.#reserve(length);
    const bytes = this.#bytes;
    const at = this.#length;
    for (let i = 0; i < length; i++) bytes[at + i] = text.charCodeAt(i);
    this.#length = at + length;
  }

  /** A safe integer in decimal digits. */
  integer(value: number): void {
    this.#reserve(INTEGER_BYTES);
    let rest = value;
    if (rest < 0) {
      this.#bytes[this.#length++] = MINUS;
      rest = -rest;
    }
    if (rest < BILLION) {
      this.#digits(rest, 1);
    } else {
      const billions = Math.floor(rest / BILLION);
      this.#digits(billions, 1);
      this.#digits(rest - billions * BILLION, 9);
    }
  }

  /** Bytes in hexadecimal digits, quoted. */
  hex(value: Uint8Array): void {
    this.#reserve(2 * value.length + 2);
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = QUOTE;
    for (let i = 0; i < value.length; i++) {
      const byte = value[i] ?? 0;
      bytes[at++] = HEX_DIGITS[byte >> 4] ?? 0;
      bytes[at++] = HEX_DIGITS[byte & 15] ?? 0;
    }
    bytes[at++] = QUOTE;
    this.#length = at;
  }

  /** A string of JSON where the bytes are UTF-8, else `{"b64":…}`. */
  string(value: Uint8Array): void {
    this.#reserve(value.length * ESCAPED_BYTES + 2);
    if (this.#plain(value)) return;
    const buffer = Buffer.from(value.buffer, value.byteOffset, value.byteLength);
    this.text(
      isUtf8(buffer) ? JSON.stringify(buffer.toString()) : `{"b64":"${buffer.toString("base64")}"}`,
    );
  }

  /** Writes bytes that JSON has as they are, which nearly every path is of. @returns false when they are not; nothing is written then */
  #plain(value: Uint8Array): boolean {
    const bytes = this.#bytes;
    let at = this.#length;
    bytes[at++] = QUOTE;
    for (let i = 0; i < value.length; i++) {
      const byte = value[i] ?? 0;
      if (byte < 0x20 || byte > TILDE || byte === QUOTE || byte === BACKSLASH) return false;
      bytes[at++] = byte;
    }
    bytes[at++] = QUOTE;
    this.#length = at;
    return true;
  }

  /** @param value - under 10⁹ */
  #digits(value: number, minimum: number): void {
    const bytes = this.#bytes;
    let count = minimum;
    for (let limit = 10 ** count; value >= limit; limit *= 10) count++;
    let rest = value | 0;
    for (let at = this.#length + count - 1; at >= this.#length; at--) {
      const next = (rest / 10) | 0;
      bytes[at] = ZERO + rest - next * 10;
      rest = next;
    }
    this.#length += count;
  }

  #reserve(more: number): void {
    const needed = this.#length + more;
    if (needed <= this.#bytes.length) return;
    const grown = Buffer.allocUnsafeSlow(Math.max(needed, 2 * this.#bytes.length));
    this.#bytes.copy(grown, 0, 0, this.#length);
    this.#bytes = grown;
  }
}
