import * as fc from "fast-check";

/** Any code point but a half of a surrogate pair: as fast-check's "binary", which takes a second to set up. */
export const codePoint: fc.Arbitrary<string> = fc
  .oneof(fc.nat(0xd7ff), fc.integer({ min: 0xe000, max: 0x10_ffff }))
  .map((code) => String.fromCodePoint(code));
