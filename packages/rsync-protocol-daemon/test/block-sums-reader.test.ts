import { duplexPair } from "node:stream";
import { Wire } from "@dialhome/rsync-protocol";
import { expect, test } from "vitest";
import { readBlockSums } from "../src/block-sums-reader.ts";

test("sums are read however they are cut", async () => {
  const count = 10_000;
  const bytes = Buffer.alloc(count * 6);
  for (let i = 0; i < count; i++) {
    bytes.writeInt32LE(i * -77_777, i * 6);
    bytes.writeUInt16LE(i & 0xffff, i * 6 + 4);
  }
  for (const cut of [1009, 7, bytes.length]) {
    const [near, far] = duplexPair();
    const wire = new Wire(far);
    const header = { count, blockLength: 700, strongLength: 2, remainder: 3 };
    const reading = readBlockSums(wire, header);
    for (let at = 0; at < bytes.length; at += cut) near.write(bytes.subarray(at, at + cut));
    const { weak, strong } = await reading;
    expect(weak[9_999]).toBe((9_999 * -77_777) | 0);
    expect([...strong.subarray(2 * 4_660, 2 * 4_661)]).toEqual([0x34, 0x12]);
    wire.release();
    near.destroy();
  }
});

test("a claim over the limit is refused before anything is read", async () => {
  const [, far] = duplexPair();
  const wire = new Wire(far);
  const header = { count: 1 << 25, blockLength: 700, strongLength: 16, remainder: 0 };
  await expect(readBlockSums(wire, header)).rejects.toMatchObject({ code: "ERR_RSYNC_LIMIT" });
  wire.release();
});
