import { MAX_PACKET_BYTES, type Packer, type Unpacker } from "./compressed-tokens.ts";
import { Lz4Compressor, lz4Bound, lz4Decompress } from "./lz4-block.ts";

/** Most bytes that a packet may hold: what rsync's receiver has room for (token.c, LZ4_compressBound of its 32 KiB chunks). */
const UNPACKED_BYTES: number = lz4Bound(32 * 1024);

/** The most that surely fits into one packet, whatever it is. */
const PIECE_BYTES = 16_302;

/** Each packet is one LZ4 block for itself. */
export class Lz4Unpacker implements Unpacker {
  readonly #output = Buffer.allocUnsafeSlow(UNPACKED_BYTES);
  #data: Buffer | undefined;

  push(data: Buffer): void {
    this.#data = data;
  }

  pull(): Buffer | undefined {
    const data = this.#data;
    this.#data = undefined;
    if (data === undefined) return undefined;
    return this.#output.subarray(0, lz4Decompress(data, this.#output));
  }

  flush(): void {
    // Nothing is held back.
  }

  reset(): void {
    // Packets know nothing of each other.
  }
}

/** Makes an LZ4 block of each piece. */
export class Lz4Packer implements Packer {
  readonly #compressor = new Lz4Compressor();
  readonly #output = Buffer.allocUnsafeSlow(MAX_PACKET_BYTES);

  add(data: Uint8Array, emit: (compressed: Uint8Array) => void): void {
    for (let at = 0; at < data.length; at += PIECE_BYTES) {
      const piece = data.subarray(at, at + PIECE_BYTES);
      emit(this.#output.subarray(0, this.#compressor.compress(piece, this.#output)));
    }
  }

  flush(): void {
    // Nothing is held back.
  }

  reset(): void {
    // Blocks know nothing of each other.
  }
}
