import { MuxError, type MuxErrorCode } from "../../src/mux-error.ts";

/** The code of the MuxError that `work` throws, or `undefined` where it throws nothing. What else it throws goes on. */
export function refusal(work: () => unknown): MuxErrorCode | undefined {
  try {
    work();
    return undefined;
  } catch (error) {
    if (error instanceof MuxError) return error.code;
    throw error;
  }
}

/** Every packet that differs from this one in one bit. */
export function* bitFlips(packet: Uint8Array): Generator<Uint8Array> {
  for (let bit = 0; bit < packet.length * 8; bit++) {
    const flipped = Uint8Array.from(packet);
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    yield flipped;
  }
}

/** Every packet that is shorter than this one, and one that is a byte longer. */
export function* otherLengths(packet: Uint8Array): Generator<Uint8Array> {
  for (let length = 0; length < packet.length; length++) yield packet.subarray(0, length);
  yield Uint8Array.from([...packet, 0]);
}
