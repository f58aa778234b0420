import { createCipheriv, createHash } from "node:crypto";

/** A deterministic source of bytes and numbers: the same seed gives the same on every machine. */
export interface SeededRandom {
  /** Incompressible bytes. */
  bytes(length: number): Buffer;
  /** A whole number in [0, below). */
  below(limit: number): number;
  pick<T>(from: readonly T[]): T;
}

export function seededRandom(seed: string): SeededRandom {
  const key = createHash("sha256").update(seed).digest().subarray(0, 16);
  const stream = createCipheriv("aes-128-ctr", key, Buffer.alloc(16));
  const bytes = (length: number): Buffer => stream.update(Buffer.alloc(length));
  const below = (limit: number): number => bytes(6).readUIntBE(0, 6) % limit;
  return {
    bytes,
    below,
    pick: (from) => {
      const one = from[below(from.length)];
      if (one === undefined) throw new Error("nothing to pick from");
      return one;
    },
  };
}
