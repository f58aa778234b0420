import { createHash } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { blockLengthAt, chooseSumHeader, createChecksum } from "@dialhome/rsync-protocol";
import { afterAll, describe, expect, it } from "vitest";
import { sumBlocks } from "../src/block-sums.ts";

const folder = mkdtempSync(join(tmpdir(), "dialhome-sums-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** The weak sum of the reference, written down as it stands there. */
function weakSumOf(block: Buffer): number {
  let [a, b] = [0, 0];
  for (const [i, byte] of block.entries()) {
    const signed = byte > 127 ? byte - 256 : byte;
    a += signed;
    b += (block.length - i) * signed;
  }
  return (a & 0xffff) | ((b & 0xffff) << 16);
}

function basis(length: number): { fd: number; data: Buffer } {
  const data = Buffer.from(Array.from({ length }, (_, i) => (i * i * 7 + i) & 255));
  writeFileSync(join(folder, "basis"), data);
  return { fd: openSync(join(folder, "basis"), "r"), data };
}

describe("sumBlocks", () => {
  it.each([1, 699, 700, 701, 7_000, 1_200_000])("sums up a basis of %d bytes", async (length) => {
    const { fd, data } = basis(length);
    const checksum = await createChecksum("md5", { seed: 0x6b1e9227, seedFirst: true });
    const header = chooseSumHeader(length, { digestLength: 16, redo: true });
    const { weak, strong } = await sumBlocks(fd, header, checksum);
    closeSync(fd);
    expect(weak).toHaveLength(header.count);
    for (let block = 0; block < header.count; block += Math.ceil(header.count / 9)) {
      const at = block * header.blockLength;
      const piece = data.subarray(at, at + blockLengthAt(header, block));
      expect(weak[block]).toBe(weakSumOf(piece));
      const seed = Buffer.from("27921e6b", "hex");
      const md5 = createHash("md5").update(seed).update(piece).digest("hex");
      expect(Buffer.from(strong.subarray(block * 16, block * 16 + 16)).toString("hex")).toBe(md5);
    }
  });

  it("gives the same sums one by one and in rows, whatever the length of a block", async () => {
    const { fd, data } = basis(300_001);
    const checksum = await createChecksum("xxh128", { seed: -5 });
    for (const blockLength of [100, 240, 241, 700, 4096, 131_072]) {
      const header = chooseSumHeader(data.length, { digestLength: 16, blockLength });
      const { weak, strong } = await sumBlocks(fd, header, checksum);
      for (let block = 0; block < header.count; block += Math.ceil(header.count / 50)) {
        const at = block * header.blockLength;
        const piece = data.subarray(at, at + blockLengthAt(header, block));
        expect(weak[block]).toBe(weakSumOf(piece));
        const { strongLength } = header;
        const sum = checksum.block(piece, 0, piece.length).subarray(0, strongLength);
        const found = strong.subarray(block * strongLength, (block + 1) * strongLength);
        expect([blockLength, block, ...found]).toEqual([blockLength, block, ...sum]);
      }
    }
    closeSync(fd);
  });

  it("rejects when the basis is shorter than its header says", async () => {
    const { fd } = basis(5_000);
    const checksum = await createChecksum("md5", { seed: 0, seedFirst: true });
    const header = chooseSumHeader(9_000, { digestLength: 16 });
    await expect(sumBlocks(fd, header, checksum)).rejects.toThrow(/ended after 5000 bytes/);
    closeSync(fd);
  });
});
