import { AuthorizedKeysError } from "./errors.ts";

/** Reads the fields of a public key's blob (RFC 4251 §5), each length checked before it is used. */
export class BlobReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Bytes that are left. */
  get left(): number {
    return this.#bytes.length - this.#at;
  }

  /** A 32-bit number, big-endian. */
  u32(field: string): number {
    this.#need(4, field);
    const value = this.#view.getUint32(this.#at);
    this.#at += 4;
    return value;
  }

  /** A 64-bit number, big-endian. */
  u64(field: string): bigint {
    this.#need(8, field);
    const value = this.#view.getBigUint64(this.#at);
    this.#at += 8;
    return value;
  }

  /** A `string`: four bytes of length and that many bytes, as a view on the blob. */
  string(field: string): Uint8Array {
    const length = this.u32(field);
    this.#need(length, field);
    const value = this.#bytes.subarray(this.#at, this.#at + length);
    this.#at += length;
    return value;
  }

  /** A `string` that holds text; read as latin1, as names in blobs are ASCII. */
  text(field: string): string {
    return latin1(this.string(field));
  }

  /** A positive `mpint`, without its leading zero byte. */
  mpint(field: string): Uint8Array {
    const bytes = this.string(field);
    const first = bytes[0];
    if (first === undefined || first >= 0x80) {
      throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_BLOB", `${field}: no positive number`);
    }
    if (first === 0) {
      if ((bytes[1] ?? 0) < 0x80) {
        throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_BLOB", `${field}: needless zero byte`);
      }
      return bytes.subarray(1);
    }
    return bytes;
  }

  /** Asserts that nothing follows. */
  end(): void {
    if (this.left !== 0) {
      throw new AuthorizedKeysError(
        "ERR_AUTHORIZED_KEYS_BLOB",
        `${this.left} bytes after the last field`,
      );
    }
  }

  #need(count: number, field: string): void {
    if (this.left < count) {
      throw new AuthorizedKeysError(
        "ERR_AUTHORIZED_KEYS_BLOB",
        `${field}: ${count} bytes needed, ${this.left} left`,
      );
    }
  }
}

/** Bytes as text, one character a byte. */
function latin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1");
}
