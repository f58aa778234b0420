import { randomBytes } from "node:crypto";
import * as fc from "fast-check";
import { createXXHash128 } from "hash-wasm";
import { expect, test } from "vitest";
import { assembleKernel } from "../../../scripts/assemble-kernel.mjs";
import { BlockTable } from "../src/block-table.ts";
import { ContentKernel, KERNEL_BLOCKS, SHORT_INPUT_BYTES } from "../src/content-kernel.ts";
import { CONTENT_KERNEL } from "../src/content-kernel-code.ts";
import { signedView, weakSum } from "../src/rolling-sum.ts";

const SEED = -123_456_789;
const kernel = new ContentKernel(SEED);
const seeded = await createXXHash128(SEED >>> 0, 0xffff_ffff);
const plain = await createXXHash128(0, 0);
const noise = randomBytes(300_000);

const hex = (bytes: Uint8Array): string => Buffer.from(bytes).toString("hex");

/** The same by the library, in wire order. */
function xxh128(hasher: typeof plain, data: Uint8Array): string {
  return hex(hasher.init().update(data).digest("binary").toReversed());
}

/** Lengths about those at which XXH3 does something else. */
const anyLength = fc.oneof(
  fc.nat(5000),
  fc.constantFrom(239, 240, 241, 255, 256, 257, 1023, 1024, 1025, 1088, 1089, 2047, 2048, 2049),
);

test("the code is what the source says", async () => {
  expect(CONTENT_KERNEL).toBe(await assembleKernel());
});

test("weak sums are those of weakSum, whatever the length", () => {
  kernel.content.set(noise);
  fc.assert(
    fc.property(fc.nat(1000), anyLength, (start, count) => {
      expect(kernel.weak(start, count)).toBe(weakSum(signedView(noise), start, count));
    }),
  );
});

test("the strong sum of a block is its seeded XXH3-128, wherever the block lies", () => {
  kernel.content.set(noise);
  const digest = new Uint8Array(16);
  fc.assert(
    fc.property(fc.nat(1000), anyLength, (start, more) => {
      const count = SHORT_INPUT_BYTES + 1 + more;
      const wanted = xxh128(seeded, noise.subarray(start, start + count));
      for (const data of [kernel.content, noise]) {
        expect(kernel.canHash(data, count)).toBe(true);
        kernel.block(data, start, count, digest);
        expect(hex(digest)).toBe(wanted);
      }
    }),
  );
  expect(kernel.canHash(noise, SHORT_INPUT_BYTES)).toBe(false);
  expect(kernel.canHash(noise, 65_537)).toBe(false);
  expect(kernel.canHash(kernel.content, 131_072)).toBe(true);
});

test("sums of blocks in a row", () => {
  kernel.content.set(noise);
  const { weak, strong } = kernel.sums(0, 256, KERNEL_BLOCKS, 5);
  for (const block of [0, 1, 500, KERNEL_BLOCKS - 1]) {
    const piece = noise.subarray(block * 256, (block + 1) * 256);
    expect(weak[block]).toBe(weakSum(signedView(piece), 0, 256));
    expect(hex(strong.subarray(5 * block, 5 * block + 5))).toBe(xxh128(seeded, piece).slice(0, 10));
  }
});

test("a file is hashed however it is cut, from the content or from elsewhere", () => {
  kernel.content.set(noise);
  const piece = fc.record({ start: fc.nat(1000), count: anyLength, isHere: fc.boolean() });
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 6 }), (pieces) => {
      kernel.fileReset();
      const all: Buffer[] = [];
      for (const { start, count, isHere } of pieces) {
        kernel.fileUpdate((isHere ? kernel.content : noise).subarray(start, start + count));
        all.push(noise.subarray(start, start + count));
      }
      const whole = Buffer.concat(all);
      const end = kernel.fileDigest();
      const wanted = whole.length > SHORT_INPUT_BYTES ? xxh128(plain, whole) : hex(whole);
      expect(hex("digest" in end ? end.digest : end.bytes)).toBe(wanted);
    }),
  );
  kernel.fileReset();
  kernel.fileUpdate(noise);
  const end = kernel.fileDigest();
  expect("digest" in end && hex(end.digest)).toBe(xxh128(plain, noise));
});

test("a run ends at the first block that differs in either sum", () => {
  const blocks = 100;
  const length = 300;
  kernel.content.set(noise);
  const made = kernel.sums(0, length, blocks, 16);
  const header = { count: blocks, blockLength: length, strongLength: 16, remainder: 0 };
  const table = new BlockTable(kernel);
  const weak = made.weak.slice();
  const strong = made.strong.slice();
  const found = (first: number, most: number): number => {
    table.enter({ header, weak, strong });
    return kernel.run(first * length, length, first, most, table.tables, 16);
  };
  expect(found(0, blocks)).toBe(blocks);
  strong[16 * 50 + 15]! ^= 1;
  expect(found(0, blocks)).toBe(50);
  expect(found(51, 49)).toBe(49);
  weak[20]! ^= 1;
  expect(found(3, 97)).toBe(17);
  expect(kernel.stoppedSum).toBe(weak[20]! ^ 1);
});
