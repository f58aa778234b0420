import * as fc from "fast-check";
import { expect, test } from "vitest";
import { ByteReader } from "../src/byte-reader.ts";
import { ByteWriter } from "../src/byte-writer.ts";
import { LIMITS } from "../src/constants.ts";
import { RsyncError } from "../src/errors.ts";
import {
  assertSumHeader,
  basisLength,
  chooseSumHeader,
  NO_SUMS,
  readSumHeader,
  type SumHeader,
  writeSumHeader,
} from "../src/sum-header.ts";

const choose = (length: number): SumHeader => chooseSumHeader(length, { digestLength: 16 });

test("the geometry is the one rsync 3.5.0 chose", () => {
  expect(choose(200_108)).toEqual({
    count: 286,
    blockLength: 700,
    strongLength: 2,
    remainder: 608,
  });
  expect(choose(903)).toEqual({ count: 2, blockLength: 700, strongLength: 2, remainder: 203 });
  expect(choose(0)).toEqual({ count: 0, blockLength: 700, strongLength: 2, remainder: 0 });
  // 1 GiB: the square root; 1 TiB: the largest block.
  expect(choose(2 ** 30).blockLength).toBe(32_768);
  expect(choose(2 ** 40).blockLength).toBe(131_072);
  expect(chooseSumHeader(903, { digestLength: 16, redo: true }).strongLength).toBe(16);
  expect(chooseSumHeader(903, { digestLength: 8, redo: true }).strongLength).toBe(8);
});

test("every choice is a valid header and describes the length it was made for", () => {
  const lengths = fc.oneof(
    fc.nat(),
    fc.maxSafeNat().map((n) => n % 2 ** 42),
  );
  fc.assert(
    fc.property(lengths, fc.boolean(), (length, redo) => {
      const header = chooseSumHeader(length, { digestLength: 16, redo });
      assertSumHeader(header, 16);
      expect(basisLength(header)).toBe(length);
    }),
  );
});

test("bytes are a header or an RsyncError", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 16, maxLength: 16 }), (bytes) => {
      const reader = new ByteReader();
      reader.push(Buffer.from(bytes));
      expect(isValueOrRsyncError(() => reader.attempt((r) => readSumHeader(r, 16)))).toBe(true);
    }),
  );
});

test("a header comes back as it was written", () => {
  const header = chooseSumHeader(1_234_567, { digestLength: 16 });
  const writer = new ByteWriter();
  writeSumHeader(writer, header);
  const reader = new ByteReader();
  reader.push(writer.take());
  expect(reader.attempt((r) => readSumHeader(r, 16))).toEqual(header);
});

test("each number is refused one past its limit", () => {
  const good = { count: 3, blockLength: 700, strongLength: 16, remainder: 700 };
  assertSumHeader(good, 16);
  assertSumHeader(NO_SUMS, 16);
  assertSumHeader({ ...good, count: LIMITS.blocks, blockLength: LIMITS.blockBytes }, 16);
  const bad = [
    { ...good, count: LIMITS.blocks + 1 },
    { ...good, count: -1 },
    { ...good, blockLength: LIMITS.blockBytes + 1 },
    { ...good, blockLength: -700 },
    { ...good, blockLength: 0, remainder: 0 },
    { ...good, strongLength: 17 },
    { ...good, strongLength: -1 },
    { ...good, remainder: 701 },
    { ...good, remainder: -1 },
  ];
  for (const header of bad) expect(() => assertSumHeader(header, 16)).toThrow(RsyncError);
});

/** What came of it: nothing but our own error may be thrown. */
function isValueOrRsyncError(run: () => unknown): boolean {
  try {
    run();
    return true;
  } catch (error) {
    return error instanceof RsyncError;
  }
}

test("below protocol 30 a block may have 512 MiB", () => {
  const header = { count: 1, blockLength: LIMITS.oldBlockBytes, strongLength: 2, remainder: 0 };
  expect(() => assertSumHeader(header, 16, LIMITS.oldBlockBytes)).not.toThrow();
  expect(() => assertSumHeader(header, 16)).toThrow("block length");
  const larger = { ...header, blockLength: LIMITS.oldBlockBytes + 1 };
  expect(() => assertSumHeader(larger, 16, LIMITS.oldBlockBytes)).toThrow("block length");
});
