import nacl from "tweetnacl";
import { VERSION_2 } from "../constants.ts";
import { MuxError } from "../mux-error.ts";

/**
 * A nonce for one packet.
 *
 * @param direction - `VERSION_2.requestNonce` or `VERSION_2.answerNonce`: neither can be read as the other
 * @param random - 23 random bytes
 */
export function makeNonce(direction: number, random: Uint8Array): Uint8Array {
  const nonce = new Uint8Array(VERSION_2.nonce);
  nonce[0] = direction;
  nonce.set(random.subarray(0, VERSION_2.nonce - 1), 1);
  return nonce;
}

/** Encrypts a body; the tag comes first. */
export function sealBody(body: Uint8Array, nonce: Uint8Array, key: Uint8Array): Uint8Array {
  return nacl.secretbox(body, nonce, key);
}

/** @throws MuxError `ERR_MUX_PACKET` when the tag is wrong; it is compared in constant time */
export function openBody(box: Uint8Array, nonce: Uint8Array, key: Uint8Array): Buffer {
  const body = nacl.secretbox.open(box, nonce, key);
  if (body === null) {
    throw new MuxError(
      "ERR_MUX_PACKET",
      "the box does not open: another key, or changed on its way",
    );
  }
  return Buffer.from(body.buffer, body.byteOffset, body.byteLength);
}
