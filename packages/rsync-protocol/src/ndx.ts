import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { NDX } from "./constants.ts";
import { protocolError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";

/**
 * Indexes on the wire (protocol 30 and later): each is told as the difference to the one before, positive and negative ones
 * apart. One of these keeps the state of one direction. {@link createNdxCodec} gives the one for any protocol.
 */
export class NdxCodec {
  /** Item flags follow an index that is no mark. Without them every item is a transfer. */
  readonly carriesFlags: boolean = true;
  #positive = -1;
  #negative = 1;

  write(writer: ByteWriter, ndx: number): void {
    if (ndx === NDX.DONE) {
      writer.byte(0);
      return;
    }
    let value = ndx;
    let difference: number;
    if (ndx < 0) {
      writer.byte(0xff);
      value = -ndx;
      difference = value - this.#negative;
      this.#negative = value;
    } else {
      difference = value - this.#positive;
      this.#positive = value;
    }
    if (difference >= 1 && difference <= 253) {
      writer.byte(difference);
    } else if (difference >= 0 && difference <= 0x7fff) {
      writer.byte(0xfe);
      writer.byte(difference >> 8);
      writer.byte(difference & 0xff);
    } else {
      writer.byte(0xfe);
      writer.byte((value >>> 24) | 0x80);
      writer.byte(value & 0xff);
      writer.byte((value >> 8) & 0xff);
      writer.byte((value >> 16) & 0xff);
    }
  }

  /** Reads an index within an attempt; {@link commit} it when the whole item was read. */
  peek(reader: ByteReader): number {
    let first = reader.byte();
    if (first === 0) return NDX.DONE;
    const negative = first === 0xff;
    if (negative) first = reader.byte();
    const previous = negative ? this.#negative : this.#positive;
    let value: number;
    if (first === 0xfe) {
      const high = reader.byte();
      if (high & 0x80) {
        const b0 = reader.byte();
        const b1 = reader.byte();
        value = ((high & 0x7f) << 24) | b0 | (b1 << 8) | (reader.byte() << 16);
      } else {
        value = previous + ((high << 8) | reader.byte());
      }
    } else {
      value = previous + first;
    }
    if (value > 0x7fff_ffff) {
      throw protocolError(`index ${value} before byte ${reader.offset}`, EXIT.PROTOCOL);
    }
    return negative ? -value : value;
  }

  /** Makes `ndx`, as returned by {@link peek}, the one that the next difference refers to. */
  commit(ndx: number): void {
    if (ndx === NDX.DONE) return;
    if (ndx < 0) this.#negative = -ndx;
    else this.#positive = ndx;
  }
}

/** Below protocol 30 an index is an int. */
class PlainNdxCodec extends NdxCodec {
  override readonly carriesFlags: boolean;

  constructor(carriesFlags: boolean) {
    super();
    this.carriesFlags = carriesFlags;
  }

  override write(writer: ByteWriter, ndx: number): void {
    writer.int(ndx);
  }

  override peek(reader: ByteReader): number {
    return reader.int();
  }

  override commit(): void {
    // No index depends on another.
  }
}

/** The form of indexes in a protocol. */
export function createNdxCodec(protocol: number): NdxCodec {
  return protocol >= 30 ? new NdxCodec() : new PlainNdxCodec(protocol >= 29);
}
