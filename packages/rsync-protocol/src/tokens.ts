import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { LIMITS } from "./constants.ts";
import { protocolError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";

/** A piece of a file as its sender tells it: new bytes, a block that the receiver has, or the end. */
export type Token =
  | { readonly is: "literal"; readonly data: Buffer }
  | { readonly is: "block"; readonly index: number }
  | { readonly is: "end" };

const END: Token = { is: "end" };

/** Reads the tokens of a session without compression. A literal is handed over in the pieces it arrives in. */
export class PlainTokenReader {
  #literalLeft = 0;

  /** The next token, or undefined when more bytes are needed. */
  read(reader: ByteReader): Token | undefined {
    if (this.#literalLeft === 0) {
      const token = reader.attempt(readToken);
      if (token === undefined) return undefined;
      if (token === 0) return END;
      if (token < 0) return { is: "block", index: -1 - token };
      this.#literalLeft = token;
    }
    const data = reader.takeUpTo(this.#literalLeft);
    if (!data) return undefined;
    this.#literalLeft -= data.length;
    return { is: "literal", data };
  }
}

function readToken(reader: ByteReader): number {
  const token = reader.int();
  if (token > LIMITS.literalBytes) {
    throw protocolError(`literal of ${token} bytes, limit ${LIMITS.literalBytes}`, EXIT.PROTOCOL);
  }
  return token;
}

/** Writes literal bytes, cut into tokens of at most {@link LIMITS.literalBytes}. */
export function writeLiteral(writer: ByteWriter, data: Uint8Array): void {
  for (let at = 0; at < data.length; at += LIMITS.literalBytes) {
    const piece = data.subarray(at, at + LIMITS.literalBytes);
    writer.int(piece.length);
    writer.bytes(piece);
  }
}

/** Writes "block `index` of yours". */
export function writeBlock(writer: ByteWriter, index: number): void {
  writer.int(-(index + 1));
}

/** Writes the end of a file's tokens; its checksum follows. */
export function writeEndOfTokens(writer: ByteWriter): void {
  writer.int(0);
}
