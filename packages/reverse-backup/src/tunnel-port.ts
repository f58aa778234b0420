import { blake2b } from "@noble/hashes/blake2.js";
import { HANDSHAKE } from "./constants.ts";

/** Rounds of hashing after which a value within range has been found for certain. */
const ROUNDS = 1000;

/**
 * A number from 0 to `max` that a name and an attempt always give: repeated keyed BLAKE2b, of which the first big-endian
 * group of bits that is in range counts.
 */
export function hashToInt(name: string, attempt: number, max: number): number {
  const key = Buffer.from(HANDSHAKE.portHashKey, "hex");
  const bits = Math.ceil(Math.log2(max + 1));
  const bytes = Math.ceil(bits / 8);
  let mac: Uint8Array = Buffer.concat([Buffer.from([attempt]), Buffer.from(name, "utf8")]);
  for (let round = 0; round < ROUNDS; round++) {
    mac = blake2b(mac, { key });
    for (let group = 0; group < Math.floor(8 / bytes); group++) {
      let value = 0;
      for (const byte of mac.subarray(group * bytes, (group + 1) * bytes))
        value = value * 256 + byte;
      if (bits % 8 !== 0) value = Math.floor(value / 2 ** (8 - (bits % 8)));
      if (value <= max) return value;
    }
  }
  throw new Error(`no number up to ${max} in ${ROUNDS} rounds`);
}

/** The ports that a machine of this name may ask its host for, in the order in which it tries them. */
export function tunnelPorts(name: string): number[] {
  const span = HANDSHAKE.portMax - HANDSHAKE.portMin;
  return Array.from(
    { length: HANDSHAKE.portCandidates },
    (_, attempt) => HANDSHAKE.portMin + hashToInt(name, attempt, span),
  );
}
