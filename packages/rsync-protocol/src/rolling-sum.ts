/**
 * The weak sum of a block: s1 = Σ x[i] in the low half, s2 = Σ (n − i)·x[i] in the high half, both modulo
 * 2^16, over *signed* bytes (rsync checksum.c get_checksum1).
 *
 * Whoever slides a window over a file keeps the two halves itself:
 * `s1 += in − out; s2 += s1 − n·out` with {@link rollingLow} and {@link rollingHigh} to start from.
 *
 * @param data - signed view of the bytes
 * @returns a signed 32-bit integer, as it travels
 */
export function weakSum(data: Int8Array, start: number, length: number): number {
  let s1 = 0;
  let s2 = 0;
  const end = start + length;
  const unrolledEnd = end - 3;
  let i = start;
  // Four bytes at a time; s2 gains 4·s1 plus the weights 4, 3, 2, 1 of the new bytes.
  for (; i < unrolledEnd; i += 4) {
    const a = data[i]!;
    const b = data[i + 1]!;
    const c = data[i + 2]!;
    const d = data[i + 3]!;
    s2 = (s2 + 4 * (s1 + a) + 3 * b + 2 * c + d) | 0;
    s1 = (s1 + a + b + c + d) | 0;
  }
  for (; i < end; i++) {
    s1 = (s1 + data[i]!) | 0;
    s2 = (s2 + s1) | 0;
  }
  return (s1 & 0xffff) | (s2 << 16);
}

/** The low half of a weak sum: the plain sum. */
export function rollingLow(sum: number): number {
  return sum & 0xffff;
}

/** The high half of a weak sum: the weighted sum. */
export function rollingHigh(sum: number): number {
  return sum >>> 16;
}

/** A signed view of the same memory, for {@link weakSum}. */
export function signedView(data: Uint8Array): Int8Array {
  return new Int8Array(data.buffer, data.byteOffset, data.byteLength);
}
