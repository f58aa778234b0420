import { timingSafeEqual } from "node:crypto";
import { blake2b } from "@noble/hashes/blake2.js";
import { HANDSHAKE } from "./constants.ts";

/**
 * What one side sends through the tunnel to show that it knows the key of the console: 64 bytes of BLAKE2b over the key, keyed with the
 * hello line, personalised with the side.
 */
export function tunnelProof(key: Uint8Array, side: "server" | "client"): Buffer {
  // BLAKE2b's personalisation has exactly 16 bytes; shorter ones are filled with zeros.
  const personalization = Buffer.alloc(16);
  personalization.write(side, "latin1");
  return Buffer.from(
    blake2b(key, { key: Buffer.from(HANDSHAKE.hello, "latin1"), personalization }),
  );
}

/** Compares in constant time. */
export function isProof(received: Uint8Array, expected: Uint8Array): boolean {
  return received.length === expected.length && timingSafeEqual(received, expected);
}
