import { chooseSumHeader, LIMITS } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { smallBlockLength } from "../src/small-blocks.ts";

const MIB = 2 ** 20;

describe("smallBlockLength", () => {
  it("leaves small files to rsync's own choice", () => {
    for (const bytes of [1, 700, MIB, 16 * MIB]) expect(smallBlockLength(bytes)).toBeUndefined();
  });

  it("takes pages up to 1 GiB, and then as many in a block as keep the number of blocks", () => {
    expect(smallBlockLength(16 * MIB + 1)).toBe(4096);
    expect(smallBlockLength(1024 * MIB)).toBe(4096);
    expect(smallBlockLength(1024 * MIB + 1)).toBe(8192);
    expect(smallBlockLength(10 * 1024 * MIB)).toBe(40_960);
    expect(smallBlockLength(2 ** 50)).toBe(LIMITS.blockBytes);
  });

  it("is never longer than what rsync would choose", () => {
    for (let bytes = 17 * MIB; bytes < 2 ** 44; bytes = Math.ceil(bytes * 1.7)) {
      const own = chooseSumHeader(bytes, { digestLength: 16 }).blockLength;
      expect(smallBlockLength(bytes)).toBeLessThanOrEqual(own);
    }
  });
});
