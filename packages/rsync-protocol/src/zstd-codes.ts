/** One of the three codes that a sequence has. RFC 8878, section 3.1.1.3.2. */
export interface CodeKind {
  readonly maxSymbol: number;
  readonly maxAccuracy: number;
  readonly defaultAccuracy: number;
  readonly defaultCounts: readonly number[];
}

export const LITERAL_LENGTHS: CodeKind = {
  maxSymbol: 35,
  maxAccuracy: 9,
  defaultAccuracy: 6,
  // biome-ignore format: a table
  defaultCounts: [4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1],
};
export const OFFSETS: CodeKind = {
  maxSymbol: 31,
  maxAccuracy: 8,
  defaultAccuracy: 5,
  // biome-ignore format: a table
  defaultCounts: [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
};
export const MATCH_LENGTHS: CodeKind = {
  maxSymbol: 52,
  maxAccuracy: 9,
  defaultAccuracy: 6,
  // biome-ignore format: a table
  defaultCounts: [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    -1, -1, -1, -1, -1, -1, -1,
  ],
};

/** Extra bits of each literal length code, and of each match length code. */
// biome-ignore format: a table
export const LITERAL_LENGTH_BITS: readonly number[] = [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];
// biome-ignore format: a table
export const MATCH_LENGTH_BITS: readonly number[] = [
  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
  1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
];

/** The values of codes: each begins where the one before ends. */
function basesOf(bits: readonly number[], first: number): Uint32Array {
  const bases = new Uint32Array(bits.length);
  let base = first;
  for (const [code, count] of bits.entries()) {
    bases[code] = base;
    base += 2 ** count;
  }
  return bases;
}

export const LITERAL_LENGTH_BASES: Uint32Array = basesOf(LITERAL_LENGTH_BITS, 0);
export const MATCH_LENGTH_BASES: Uint32Array = basesOf(MATCH_LENGTH_BITS, 3);
