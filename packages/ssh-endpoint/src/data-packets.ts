import { randomFillSync } from "node:crypto";
import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { inPlaceCipher, type Protocol } from "./ssh2-internals.ts";

/** Bytes of one block of memory for packets. */
const BLOCK_BYTES = 262_144;
/** Blocks that are kept for the next connection that has much to send. */
const BLOCKS_KEPT = 16;
/** Below this a packet gets memory of its own: a peer that takes nothing must not hold a block for a few bytes. */
const BLOCK_LEAST_BYTES = 8_192;
const RANDOM_BYTES = 4_096;

const MSG_CHANNEL_DATA = 94;
const CIPHER_BLOCK_BYTES = 16;
const TAG_BYTES = 16;

const spareBlocks: Buffer[] = [];
const random = { bytes: Buffer.alloc(0), at: 0 };

/**
 * Writes SSH_MSG_CHANNEL_DATA for AES-GCM into memory that is used again. ssh2 allocates each packet anew, and asks the system for
 * the random bytes of each padding: together a third of what sending costs.
 *
 * Memory is used again only when a socket has handed all of it to the system, so a stream that is no socket has to do without.
 */
export class DataPackets {
  readonly #protocol: Protocol;
  readonly #stream: Duplex;
  readonly #isReusable: boolean;
  #block: Buffer | undefined;
  #used = 0;
  readonly #filled: Buffer[] = [];

  constructor(protocol: Protocol, stream: Duplex) {
    this.#protocol = protocol;
    this.#stream = stream;
    this.#isReusable = stream instanceof Socket;
  }

  /** Sends data of a channel; false where it has to be sent by ssh2: with another cipher, and while keys are exchanged. */
  write(peerId: number, data: Uint8Array): boolean {
    const cipher = inPlaceCipher(this.#protocol);
    if (cipher === undefined) return false;
    // RFC 4253 §6 with RFC 5647 §7.2: length (not encrypted), length of the padding, payload, padding, tag.
    const payloadBytes = 1 + 4 + 4 + data.length;
    let paddingBytes = CIPHER_BLOCK_BYTES - ((1 + payloadBytes) % CIPHER_BLOCK_BYTES);
    if (paddingBytes < 4) paddingBytes += CIPHER_BLOCK_BYTES;
    const innerBytes = 1 + payloadBytes + paddingBytes;
    const packet = this.#take(4 + innerBytes + TAG_BYTES);
    packet.writeUInt32BE(innerBytes, 0);
    packet[4] = paddingBytes;
    packet[5] = MSG_CHANNEL_DATA;
    packet.writeUInt32BE(peerId, 6);
    packet.writeUInt32BE(data.length, 10);
    packet.set(data, 14);
    fillRandom(packet, 14 + data.length, paddingBytes);
    cipher.encrypt(packet);
    return true;
  }

  /** To be called when the stream may have got rid of all: gives the memory back if so. */
  flushed(): void {
    if (this.#block === undefined || this.#stream.writableLength > 0) return;
    for (const block of [this.#block, ...this.#filled.splice(0)]) {
      if (spareBlocks.length < BLOCKS_KEPT) spareBlocks.push(block);
    }
    this.#block = undefined;
  }

  #take(bytes: number): Buffer {
    if (!this.#isReusable || bytes < BLOCK_LEAST_BYTES) return Buffer.allocUnsafe(bytes);
    this.flushed();
    if (this.#block === undefined || this.#used + bytes > BLOCK_BYTES) {
      if (this.#block !== undefined) this.#filled.push(this.#block);
      this.#block = spareBlocks.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
      this.#used = 0;
    }
    const packet = this.#block.subarray(this.#used, this.#used + bytes);
    this.#used += bytes;
    return packet;
  }
}

/** Random bytes from a store that is filled by one call for many packets; none is used twice. */
function fillRandom(target: Buffer, at: number, count: number): void {
  if (random.at + count > random.bytes.length) {
    if (random.bytes.length === 0) random.bytes = Buffer.allocUnsafeSlow(RANDOM_BYTES);
    randomFillSync(random.bytes);
    random.at = 0;
  }
  random.bytes.copy(target, at, random.at, random.at + count);
  random.at += count;
}
