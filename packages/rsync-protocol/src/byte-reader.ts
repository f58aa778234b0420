import { LIMITS } from "./constants.ts";
import { protocolError, RsyncError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";

/** Thrown by a read that ran out of bytes; only {@link ByteReader.attempt} sees it. */
const NEED_MORE = new Error("more bytes are needed");

const NOTHING = Buffer.alloc(0);

/** Chunks below this many bytes are gathered while they wait: a peer that cuts its bytes small must not cost an object for each. */
const SMALL_BYTES = 512;
/** Room that is made for small chunks at a time, in bytes. */
const GATHER_BYTES = 16 * 1024;

/**
 * Reads rsync's primitives from chunks as they arrive.
 *
 * What needs several reads is done in one {@link attempt}: if the bytes do not suffice, everything is put back and the
 * same attempt is made again when more have come. So a decoder is straight-line code and gives the same result wherever
 * the bytes were cut. Integers are little-endian (protocol reference, "byte primitives").
 */
export class ByteReader {
  #buffer: Buffer = NOTHING;
  #position = 0;
  /** Where the running attempt began: bytes from here on are kept. −1 outside of attempts. */
  #mark = -1;
  #chunks: Buffer[] = [];
  #nextChunk = 0;
  #waiting = 0;
  #consumed = 0;
  /** Where small chunks are gathered; the last of {@link #chunks} is its first {@link #gathered} bytes, if that is not 0. */
  #gathering = NOTHING;
  #gathered = 0;
  #shortBy = 0;
  #reached = 0;

  /** Appends bytes. Unless they are few they are not copied, and must not change afterwards. */
  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#waiting += chunk.length;
    if (chunk.length < SMALL_BYTES && this.#nextChunk < this.#chunks.length) {
      this.#gather(chunk);
    } else {
      this.#gathered = 0;
      this.#chunks.push(chunk);
    }
  }

  /** By how many bytes the last {@link attempt} fell short at least; 0 when it did not. */
  get shortBy(): number {
    return this.#shortBy;
  }

  /** How many bytes the last {@link attempt} went through before it fell short: what the next one does again. */
  get reached(): number {
    return this.#reached;
  }

  /** Bytes that can be read without waiting. */
  get available(): number {
    return this.#buffer.length - this.#position + this.#waiting;
  }

  /** Bytes read since the beginning: the offset for messages. */
  get offset(): number {
    return this.#consumed + this.#position;
  }

  /**
   * Runs `decode`; when it runs out of bytes, takes everything back and returns undefined.
   * `decode` must change no state before its last read. Attempts do not nest.
   */
  attempt<T extends object | number | string | boolean>(
    decode: (reader: ByteReader) => T,
  ): T | undefined {
    this.#mark = this.#position;
    this.#shortBy = 0;
    try {
      return decode(this);
    } catch (error) {
      if (error !== NEED_MORE) throw error;
      this.#reached = this.#position - this.#mark;
      this.#position = this.#mark;
      return undefined;
    } finally {
      this.#mark = -1;
    }
  }

  /** Whatever stands ready in one piece, at most `limit` bytes; undefined when there is nothing. */
  takeUpTo(limit: number): Buffer | undefined {
    if (this.#position === this.#buffer.length && !this.#advance()) return undefined;
    const end = Math.min(this.#buffer.length, this.#position + limit);
    const piece = this.#buffer.subarray(this.#position, end);
    this.#position = end;
    return piece;
  }

  byte(): number {
    if (this.#position >= this.#buffer.length) this.#need(1);
    // In range: #need has just made sure of it.
    return this.#buffer[this.#position++]!;
  }

  /** 16 bits, unsigned. */
  shortint(): number {
    this.#need(2);
    const value = this.#buffer.readUInt16LE(this.#position);
    this.#position += 2;
    return value;
  }

  /** 32 bits, signed. */
  int(): number {
    this.#need(4);
    const value = this.#buffer.readInt32LE(this.#position);
    this.#position += 4;
    return value;
  }

  /** 4 bytes, or 12 for what 31 bits do not hold: 64 bits signed, refused outside of the safe integers. */
  longint(): number {
    const short = this.int();
    if (short !== -1) return short;
    const low = this.int() >>> 0;
    const value = this.int() * 0x1_0000_0000 + low;
    if (!Number.isSafeInteger(value))
      throw overLimit("64-bit number", value, Number.MAX_SAFE_INTEGER);
    return value;
  }

  /** 1 to 5 bytes, 32 bits signed. */
  varint(): number {
    const first = this.byte();
    const extra = extraBytes(first);
    if (extra === 0) return first;
    if (extra > 4)
      throw protocolError(`varint with ${extra} extra bytes at byte ${this.offset - 1}`);
    this.#need(extra);
    let value = 0;
    for (let i = 0; i < extra; i++) value |= this.#buffer[this.#position + i]! << (8 * i);
    this.#position += extra;
    if (extra < 4) value |= (first & ((1 << (8 - extra)) - 1)) << (8 * extra);
    return value;
  }

  /** A varint that counts or measures something: refused when negative or over `limit`. */
  count(what: string, limit: number): number {
    const value = this.varint();
    if (value < 0 || value > limit) throw overLimit(what, value, limit);
    return value;
  }

  /** A varint that is the length of a text; a longer one is what rsync(1) calls an overflow, and leaves with 22 for. */
  length(what: string, limit: number): number {
    const value = this.varint();
    if (value < 0 || value > limit) throw overLimit(what, value, limit, EXIT.MEMORY);
    return value;
  }

  /** As {@link length}, in 4 bytes. */
  intLength(what: string, limit: number): number {
    const value = this.int();
    if (value < 0 || value > limit) throw overLimit(what, value, limit, EXIT.MEMORY);
    return value;
  }

  /** As {@link count}, in 4 bytes. */
  intCount(what: string, limit: number): number {
    const value = this.int();
    if (value < 0 || value > limit) throw overLimit(what, value, limit);
    return value;
  }

  /** `minimum` to 9 bytes, 64 bits signed; refused outside of the safe integers. */
  varlong(minimum: number): number {
    this.#need(minimum);
    const first = this.#buffer[this.#position]!;
    const extra = extraBytes(first);
    const length = minimum - 1 + extra;
    if (length > 8) throw protocolError(`varlong of ${length + 1} bytes at byte ${this.offset}`);
    this.#need(1 + length);
    const start = this.#position + 1;
    const top = length === 8 ? 0 : first & ((1 << (8 - extra)) - 1);
    let low = 0;
    let high = 0;
    for (let i = 0; i <= length && i < 8; i++) {
      const value = i < length ? this.#buffer[start + i]! : top;
      if (i < 4) low |= value << (8 * i);
      else high |= value << (8 * (i - 4));
    }
    this.#position = start + length;
    // The product of the line below takes 16 bytes of the heap wherever it is kept: one for each size and time of a list.
    if (high === 0 && low >= 0) return low;
    const value = high * 0x1_0000_0000 + (low >>> 0);
    if (!Number.isSafeInteger(value))
      throw overLimit("64-bit number", value, Number.MAX_SAFE_INTEGER);
    return value;
  }

  /** A view of the next `length` bytes. Valid as long as the chunk it lies in. */
  bytes(length: number): Buffer {
    this.#need(length);
    const view = this.#buffer.subarray(this.#position, this.#position + length);
    this.#position += length;
    return view;
  }

  /** Copies the next `length` bytes into `target`. */
  copyTo(target: Buffer, at: number, length: number): void {
    this.#need(length);
    this.#buffer.copy(target, at, this.#position, this.#position + length);
    this.#position += length;
  }

  /** The next `length` bytes as a latin1 string: one character a byte, nothing decoded. */
  latin1(length: number): string {
    this.#need(length);
    const text = this.#buffer.toString("latin1", this.#position, this.#position + length);
    this.#position += length;
    return text;
  }

  /** A string of at most `limit` bytes behind a length of one or two bytes (big-endian, unlike all else). */
  vstring(what: string, limit: number, exitCode: number = EXIT.PROTOCOL): string {
    let length = this.byte();
    if (length & 0x80) length = ((length & 0x7f) << 8) | this.byte();
    if (length > limit) throw overLimit(what, length, limit, exitCode);
    return this.latin1(length);
  }

  /** A line without its `\n` and any `\r`; longer than {@link LIMITS.lineBytes} is refused. */
  line(): string {
    for (let length = 0; length <= LIMITS.lineBytes; length++) {
      this.#need(length + 1);
      if (this.#buffer[this.#position + length] === 0x0a) {
        const text = this.latin1(length).replaceAll("\r", "");
        this.#position++;
        return text;
      }
    }
    throw new RsyncError(
      "ERR_RSYNC_LIMIT",
      `line of more than ${LIMITS.lineBytes} bytes in the handshake`,
    );
  }

  /** Takes all that is left, in pieces: for the switch from raw bytes to frames. */
  takeAll(): Buffer[] {
    const pieces: Buffer[] = [];
    for (let piece = this.takeUpTo(Infinity); piece; piece = this.takeUpTo(Infinity))
      pieces.push(piece);
    return pieces;
  }

  /** Makes the next `count` bytes one piece of the buffer; nothing is moved before all of them are there. */
  #need(count: number): void {
    const ready = this.#buffer.length - this.#position;
    if (ready >= count) return;
    if (ready + this.#waiting < count) {
      this.#shortBy = count - ready - this.#waiting;
      throw NEED_MORE;
    }
    const keep = this.#mark >= 0 ? this.#mark : this.#position;
    const pieces = keep === this.#buffer.length ? [] : [this.#buffer.subarray(keep)];
    for (let have = ready; have < count; ) {
      const next = this.#takeChunk();
      pieces.push(next);
      have += next.length;
    }
    this.#replace(pieces.length === 1 ? pieces[0]! : Buffer.concat(pieces), keep);
  }

  /** Makes the next chunk the buffer; false when there is none. For use outside of attempts, with nothing left to read. */
  #advance(): boolean {
    if (this.#nextChunk === this.#chunks.length) return false;
    this.#replace(this.#takeChunk(), this.#position);
    return true;
  }

  #replace(buffer: Buffer, keep: number): void {
    this.#consumed += keep;
    this.#buffer = buffer;
    this.#position -= keep;
    if (this.#mark >= 0) this.#mark = 0;
  }

  /** The oldest chunk that waits; the caller knows that there is one. */
  #takeChunk(): Buffer {
    const next = this.#chunks[this.#nextChunk++]!;
    if (this.#nextChunk === this.#chunks.length) {
      this.#chunks = [];
      this.#nextChunk = 0;
      this.#gathered = 0;
    } else if (this.#nextChunk === 256) {
      this.#chunks.splice(0, 256);
      this.#nextChunk = 0;
    }
    this.#waiting -= next.length;
    return next;
  }

  /** Appends to the last chunk where it has room, which nobody has seen yet. */
  #gather(chunk: Buffer): void {
    const isNew = this.#gathered === 0 || this.#gathered + chunk.length > this.#gathering.length;
    if (isNew) {
      this.#gathering = Buffer.allocUnsafeSlow(GATHER_BYTES);
      this.#gathered = 0;
    } else {
      this.#chunks.pop();
    }
    chunk.copy(this.#gathering, this.#gathered);
    this.#gathered += chunk.length;
    this.#chunks.push(this.#gathering.subarray(0, this.#gathered));
  }
}

/** How many bytes follow the first byte of a varint: its leading one bits, at most 6. */
function extraBytes(first: number): number {
  if (first < 0x80) return 0;
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  if (first < 0xf0) return 3;
  if (first < 0xf8) return 4;
  return first < 0xfc ? 5 : 6;
}

function overLimit(
  what: string,
  value: number,
  limit: number,
  exitCode: number = EXIT.PROTOCOL,
): RsyncError {
  const message = `${what}: ${value}, allowed are 0 to ${limit}`;
  return new RsyncError("ERR_RSYNC_LIMIT", message, { exitCode });
}
