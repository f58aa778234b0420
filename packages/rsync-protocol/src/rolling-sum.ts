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
  const unrolledEnd = end - 7;
  let i = start;
  // Eight bytes at a time: with y the running sums of the eight alone, s2 gains 8·s1 + Σ y, and s1 the last y.
  for (; i < unrolledEnd; i += 8) {
    const y0 = data[i]!;
    const y1 = (y0 + data[i + 1]!) | 0;
    const y2 = (y1 + data[i + 2]!) | 0;
    const y3 = (y2 + data[i + 3]!) | 0;
    const y4 = (y3 + data[i + 4]!) | 0;
    const y5 = (y4 + data[i + 5]!) | 0;
    const y6 = (y5 + data[i + 6]!) | 0;
    const y7 = (y6 + data[i + 7]!) | 0;
    const gained = (((y0 + y1) | 0) + ((y2 + y3) | 0) + ((y4 + y5) | 0) + ((y6 + y7) | 0)) | 0;
    s2 = (s2 + (s1 << 3) + gained) | 0;
    s1 = (s1 + y7) | 0;
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
