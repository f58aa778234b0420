import { blake2b } from "@noble/hashes/blake2.js";

// Version 1 of the backup handshake, written a second time and from recordings of the original scripts alone: nothing
// here is taken from the packages that the tests are about.

/** What both sides say first; it is also the key of the proofs. */
export const HELLO = "ssh-r-sync o/ 1";

/** Key of the hash that spreads names over ports. */
const PORT_KEY = Buffer.from("4abceda3a5024528dedc2368a4a5a474", "hex");

/** Ports that the originals computed for these names. */
export const RECORDED_PORTS: Readonly<Record<string, readonly number[]>> = {
  dev1: [22654, 22829, 22087, 22122, 22192],
  compat: [22345, 22467, 22385, 22242, 22507],
  "laptop.example": [22328, 22961, 22344, 22028, 22816],
  höst: [22388, 22542, 22066, 22363, 22578],
  "a b": [22845, 22184, 22224, 22840, 22096],
};

/** Proofs that the originals computed for the key of the bytes 0 to 63. */
export const RECORDED_PROOFS = {
  server:
    "84f2ffe7a75e51183457ba6d2bc95b33ca202f73a4bcba095df2f730b6c84e0cac3e54766cc00c909ef9dbd2eefd439f28541b07dbc4a53c3fdc1d2abd98cf73",
  client:
    "cb8d6d00e46b689746b4a0e307bcd954070ac4064caa91ccad67bd5e93f0c126708d0a4404fbb96b754a63f8877fb1920e0b9d2ff274be3e6353781e6ffc0faa",
} as const;

/** Port of a name at an attempt: ten bits, the top of each pair of bytes, of digest after digest, until one is below 1000. */
export function portOf(name: string, attempt: number): number {
  let digest = blake2b(Buffer.concat([Buffer.of(attempt), Buffer.from(name)]), { key: PORT_KEY });
  for (;;) {
    for (let at = 0; at < 8; at += 2) {
      const bits = Buffer.from(digest).readUInt16BE(at) >> 6;
      if (bits < 1000) return 22_000 + bits;
    }
    digest = blake2b(digest, { key: PORT_KEY });
  }
}

/** What a side sends through the tunnel. */
export function proofOf(key: Uint8Array, side: "server" | "client"): Buffer {
  const personalization = Buffer.concat([Buffer.from(side), Buffer.alloc(16)]).subarray(0, 16);
  return Buffer.from(blake2b(key, { key: Buffer.from(HELLO), personalization }));
}
