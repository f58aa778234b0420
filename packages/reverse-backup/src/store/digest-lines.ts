/** What a manifest's line says of a file whose content has a digest. Offsets are in the bytes that were scanned. */
export interface DigestLine {
  nameStart: number;
  nameEnd: number;
  size: number;
  mtimeSec: number;
  mtimeNsec: number;
  /** Of 64 hexadecimal digits. */
  digestStart: number;
}

const NAME = Buffer.from('{"name":"');
const TYPE = Buffer.from('","type":"file","mode":');
const SIZE = Buffer.from(',"size":');
const MTIME = Buffer.from(',"mtime":');
const NSEC = Buffer.from(',"nsec":');
const DIGEST = Buffer.from('","sha256":"');
const DIGEST_DIGITS = 64;

const QUOTE = 0x22;
const MINUS = 0x2d;
const ZERO = 0x30;
const NINE = 0x39;
const BACKSLASH = 0x5c;
const TILDE = 0x7e;
/** Digits of a number that is exact for sure. */
const EXACT_DIGITS = 15;

/**
 * Reads the lines of plain files, which are nearly all of a manifest, without making a text of them: several times faster than
 * JSON where a snapshot's digests are all that is wanted. It knows a line only as {@link writeManifestEntry} writes it; any
 * other it leaves to whoever reads JSON.
 */
export class DigestLineScanner {
  readonly line: DigestLine = {
    nameStart: 0,
    nameEnd: 0,
    size: 0,
    mtimeSec: 0,
    mtimeNsec: 0,
    digestStart: 0,
  };
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;
  #number = 0;

  /** Whether the line from `start` to `end` is such a one; then {@link line} has what it says, until the next is scanned. */
  scan(bytes: Buffer, start: number, end: number): boolean {
    const { line } = this;
    this.#bytes = bytes;
    this.#at = start;
    if (!this.#expect(NAME)) return false;
    line.nameStart = this.#at;
    if (!this.#plainText(end)) return false;
    line.nameEnd = this.#at;
    if (!this.#expect(TYPE) || !this.#integer() || !this.#expect(SIZE) || !this.#integer())
      return false;
    line.size = this.#number;
    if (!this.#expect(MTIME) || !this.#integer()) return false;
    line.mtimeSec = this.#number;
    if (!this.#expect(NSEC) || !this.#integer()) return false;
    line.mtimeNsec = this.#number;
    // What lies between is of no interest here; the digest is at the end, or before the digest of the attributes.
    const found = bytes.indexOf(DIGEST, this.#at);
    line.digestStart = found + DIGEST.length;
    return found >= 0 && line.digestStart + DIGEST_DIGITS < end;
  }

  #expect(text: Buffer): boolean {
    const bytes = this.#bytes;
    const at = this.#at;
    for (let i = 0; i < text.length; i++) if (bytes[at + i] !== text[i]) return false;
    this.#at = at + text.length;
    return true;
  }

  /** Characters up to a quote that JSON has as they are. */
  #plainText(end: number): boolean {
    const bytes = this.#bytes;
    for (let at = this.#at; at < end; at++) {
      const byte = bytes[at] ?? 0;
      if (byte === QUOTE) {
        this.#at = at;
        return true;
      }
      if (byte < 0x20 || byte > TILDE || byte === BACKSLASH) return false;
    }
    return false;
  }

  #integer(): boolean {
    const bytes = this.#bytes;
    const isNegative = bytes[this.#at] === MINUS;
    const start = isNegative ? this.#at + 1 : this.#at;
    let at = start;
    let value = 0;
    for (let byte = bytes[at] ?? 0; byte >= ZERO && byte <= NINE; byte = bytes[++at] ?? 0) {
      value = value * 10 + byte - ZERO;
    }
    this.#at = at;
    this.#number = isNegative ? -value : value;
    return at > start && at - start <= EXACT_DIGITS;
  }
}
