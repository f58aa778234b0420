import { describe, expect, it } from "vitest";
import { readBasis, readNext } from "../src/basis-source.ts";

const content = Buffer.from("0123456789");
const buffer = Buffer.alloc(10);

describe("a basis that a store gives", () => {
  it("is read piece by piece, however small they are", async () => {
    const read = (at: number, length: number): Buffer =>
      content.subarray(at, at + Math.min(3, length));
    const source = { read };
    await readBasis(source, buffer, 8, 1);
    expect(buffer.toString("latin1", 0, 8)).toBe("12345678");
    expect(await readNext(source, buffer, 9)).toBe(1);
    expect(await readNext(source, buffer, 10)).toBe(0);
  });

  it("may not end before, nor give more than was asked for", async () => {
    const short = { read: (at: number) => Promise.resolve(content.subarray(at, 5)) };
    await expect(readBasis(short, buffer, 8, 0)).rejects.toThrow("the file ended after 5 bytes");
    const long = { read: () => content };
    await expect(readBasis(long, buffer, 8, 0)).rejects.toThrow("gave 10 bytes where 8 were");
  });
});
