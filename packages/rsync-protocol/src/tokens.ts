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

export const END_OF_TOKENS: Token = { is: "end" };

/** Reads the tokens of a session, one file after the other. */
export interface TokenReader {
  /**
   * The next token, or undefined when more bytes are needed. The memory of a literal may be used again by the next call.
   * @throws RsyncError with exit code 12 for compressed data that makes no sense, 2 for what may not be
   */
  read(reader: ByteReader): Token | undefined;
  /** The content of each block must be told with {@link matched} before the next read: later literals refer to it. */
  readonly needsBlocks: boolean;
  /** The content of the block that was read last, the whole of it. */
  matched(data: Uint8Array): void;
}

/** Writes the tokens of a session, one file after the other. */
export interface TokenWriter {
  /** Bytes that the receiver lacks. They are used before it returns. */
  literal(out: ByteWriter, data: Uint8Array): void;
  /** "Block `index` of yours", with its content, which is `data` from `start` to `end`. */
  block(out: ByteWriter, index: number, data: Uint8Array, start: number, end: number): void;
  /** The end of a file's tokens; its checksum follows. */
  end(out: ByteWriter): void;
}

/** Reads the tokens of a session without compression. A literal is handed over in the pieces it arrives in. */
export class PlainTokenReader implements TokenReader {
  readonly needsBlocks = false;
  #literalLeft = 0;

  read(reader: ByteReader): Token | undefined {
    if (this.#literalLeft === 0) {
      const token = reader.attempt(readToken);
      if (token === undefined) return undefined;
      if (token === 0) return END_OF_TOKENS;
      if (token < 0) return { is: "block", index: -1 - token };
      this.#literalLeft = token;
    }
    const data = reader.takeUpTo(this.#literalLeft);
    if (!data) return undefined;
    this.#literalLeft -= data.length;
    return { is: "literal", data };
  }

  matched(): void {
    // Nothing refers to it.
  }
}

function readToken(reader: ByteReader): number {
  const token = reader.int();
  if (token > LIMITS.literalBytes) {
    throw protocolError(`literal of ${token} bytes, limit ${LIMITS.literalBytes}`, EXIT.PROTOCOL);
  }
  return token;
}

/** Writes the tokens of a session without compression. */
export const PLAIN_TOKEN_WRITER: TokenWriter = {
  literal: writeLiteral,
  block: writeBlock,
  end: writeEndOfTokens,
};

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
