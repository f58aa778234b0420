import { LIMITS, TAG, TAG_BASE } from "./constants.ts";
import { protocolError, RsyncError } from "./errors.ts";

/** A message beside the data: its tag (see `TAG`) and payload. */
export interface Message {
  readonly tag: number;
  readonly payload: Buffer;
}

/** The 4 bytes in front of a frame: `(7 + tag) << 24 | length`, little-endian. */
export function writeFrameHeader(
  target: Buffer,
  offset: number,
  tag: number,
  length: number,
): void {
  target.writeUInt32LE((TAG_BASE + tag) * 0x100_0000 + length, offset);
}

/** One frame with its payload. */
export function encodeFrame(tag: number, payload: Uint8Array): Buffer {
  const frame = Buffer.allocUnsafe(4 + payload.length);
  writeFrameHeader(frame, 0, tag, payload.length);
  frame.set(payload, 4);
  return frame;
}

/** Payloads that have a size: anything else is an error of the peer. */
const SIZE_BY_TAG: ReadonlyMap<number, (length: number) => boolean> = new Map([
  [TAG.ERROR_XFER, isText],
  [TAG.INFO, isText],
  [TAG.ERROR, isText],
  [TAG.WARNING, isText],
  [TAG.IO_ERROR, isInt],
  [TAG.IO_TIMEOUT, isInt],
  [TAG.NOOP, (length) => length === 0],
  [TAG.ERROR_EXIT, (length) => length === 0 || length === 4],
  [TAG.SUCCESS, isInt],
  [TAG.DELETED, isText],
  [TAG.NO_SEND, isInt],
]);

function isText(length: number): boolean {
  return length <= LIMITS.messageBytes;
}

function isInt(length: number): boolean {
  return length === 4;
}

/**
 * Takes the frames of a multiplexed direction apart: data goes on as it comes, in pieces of any size; a message is handed
 * over when it is whole. An unknown tag or a payload of the wrong size is the peer's error.
 */
export class Demultiplexer {
  readonly #onData: (piece: Buffer) => void;
  readonly #onMessage: (message: Message) => void;
  #header = Buffer.alloc(4);
  #headerLength = 0;
  #tag = -1;
  #left = 0;
  #payload: Buffer[] = [];

  constructor(onData: (piece: Buffer) => void, onMessage: (message: Message) => void) {
    this.#onData = onData;
    this.#onMessage = onMessage;
  }

  push(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#tag < 0) at += this.#takeHeader(chunk, at);
      else at += this.#takePayload(chunk, at);
    }
  }

  #takeHeader(chunk: Buffer, at: number): number {
    const count = Math.min(4 - this.#headerLength, chunk.length - at);
    chunk.copy(this.#header, this.#headerLength, at, at + count);
    this.#headerLength += count;
    if (this.#headerLength < 4) return count;
    this.#headerLength = 0;
    const tag = this.#header[3]! - TAG_BASE;
    const length = this.#header.readUIntLE(0, 3);
    if (tag !== TAG.DATA) {
      const fits = SIZE_BY_TAG.get(tag);
      if (!fits) throw protocolError(`frame with the unknown tag ${tag} and ${length} bytes`);
      if (!fits(length)) {
        throw new RsyncError(
          "ERR_RSYNC_PROTOCOL",
          `message ${tag} with a payload of ${length} bytes`,
        );
      }
    }
    this.#tag = tag;
    this.#left = length;
    if (length === 0) this.#endFrame();
    return count;
  }

  #takePayload(chunk: Buffer, at: number): number {
    const count = Math.min(this.#left, chunk.length - at);
    const piece = chunk.subarray(at, at + count);
    this.#left -= count;
    if (this.#tag === TAG.DATA) this.#onData(piece);
    else this.#payload.push(piece);
    if (this.#left === 0) this.#endFrame();
    return count;
  }

  #endFrame(): void {
    const tag = this.#tag;
    this.#tag = -1;
    if (tag === TAG.DATA) return;
    const payload = Buffer.concat(this.#payload);
    this.#payload = [];
    this.#onMessage({ tag, payload });
  }
}
