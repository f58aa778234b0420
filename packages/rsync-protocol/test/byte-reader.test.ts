import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteReader, RsyncError } from "../src/index.ts";

function readerOf(...chunks: readonly string[]): ByteReader {
  const reader = new ByteReader();
  for (const chunk of chunks) reader.push(Buffer.from(chunk, "hex"));
  return reader;
}

describe("ByteReader", () => {
  it.each([
    ["07", 7],
    ["a098", 0x2098],
    ["81ff", 0x1ff],
    ["b039", 12_345],
    ["c031d4", 54_321],
    ["e715cd5b", 123_456_789],
    ["f0ffffffff", -1],
    ["f000000080", -0x8000_0000],
  ])("reads the varint %s as %d", (hex, value) => {
    const reader = readerOf(hex);
    expect(reader.varint()).toBe(value);
    expect(reader.available).toBe(0);
  });

  it.each([
    ["000c00", 3, 12],
    ["000010", 3, 4_096],
    ["100000", 3, 1_048_576],
    ["300000", 3, 3_145_728],
    ["65257d93", 4, 1_704_164_645],
    ["8025fbab83", 4, 2_209_086_245],
    ["f8a5299af6ffffffff", 4, -157_668_955],
  ])("reads the varlong %s with at least %d bytes as %d", (hex, minimum, value) => {
    const reader = readerOf(hex);
    expect(reader.varlong(minimum)).toBe(value);
    expect(reader.available).toBe(0);
  });

  it("reads fixed numbers, strings and lines", () => {
    const reader = readerOf(
      "ff",
      "3412",
      "feffffff",
      "03616263",
      "8081",
      "00".repeat(0x81),
      "680d0a0a",
    );
    expect(reader.byte()).toBe(255);
    expect(reader.shortint()).toBe(0x1234);
    expect(reader.int()).toBe(-2);
    expect(reader.vstring("text", 10)).toBe("abc");
    expect(reader.vstring("text", 200)).toHaveLength(0x81);
    expect(reader.line()).toBe("h");
    expect(reader.line()).toBe("");
    expect(reader.available).toBe(0);
  });

  it("takes everything back when an attempt runs out of bytes", () => {
    const reader = readerOf("0102");
    const decode = (r: ByteReader): number[] => [r.byte(), r.byte(), r.byte()];
    expect(reader.attempt(decode)).toBeUndefined();
    expect(reader.available).toBe(2);
    expect(reader.offset).toBe(0);
    reader.push(Buffer.from("03", "hex"));
    expect(reader.attempt(decode)).toEqual([1, 2, 3]);
    expect(reader.offset).toBe(3);
  });

  it("gives the same result wherever the bytes are cut", () => {
    const bytes = Buffer.from("e715cd5bf8a5299af6ffffffff03616263ff3412", "hex");
    const decode = (r: ByteReader): unknown[] => [
      r.varint(),
      r.varlong(4),
      r.vstring("text", 9),
      r.byte(),
      r.shortint(),
    ];
    fc.assert(
      fc.property(fc.array(fc.nat(bytes.length), { maxLength: 6 }), (cuts) => {
        const reader = new ByteReader();
        const places = [0, ...cuts.toSorted((a, b) => a - b), bytes.length];
        let read: unknown[] | undefined;
        for (const [i, from] of places.entries()) {
          reader.push(bytes.subarray(from, places[i + 1] ?? from));
          read ??= reader.attempt(decode);
        }
        expect(read).toEqual([123_456_789, -157_668_955, "abc", 255, 0x1234]);
        expect(reader.offset).toBe(bytes.length);
      }),
    );
  });

  it("refuses what is over a limit, and numbers that are none", () => {
    expect(() => readerOf("fc0000000000").varint()).toThrow(RsyncError);
    expect(() => readerOf("ff00000000000000000000").varlong(4)).toThrow(RsyncError);
    expect(() => readerOf("f8ffffffffffffff7f").varlong(4)).toThrow(/64-bit/);
    expect(() => readerOf("0b").count("things", 10)).toThrow(/things: 11/);
    expect(() => readerOf("f0ffffffff").count("things", 10)).toThrow(/things: -1/);
    expect(() => readerOf("8fff").vstring("names", 1024)).toThrow(/names/);
    expect(() => readerOf("61".repeat(5_000)).line()).toThrow(/line of more than/);
  });

  it("hands over what stands ready, and no more", () => {
    const reader = readerOf("010203", "04");
    expect(reader.takeUpTo(2)).toEqual(Buffer.from([1, 2]));
    expect(reader.takeUpTo(9)).toEqual(Buffer.from([3]));
    expect(reader.takeAll()).toEqual([Buffer.from([4])]);
    expect(reader.takeUpTo(1)).toBeUndefined();
  });

  it("puts a long value together once, however small the pieces it arrives in", () => {
    // Each piece was appended to all before it: so many of them took the better part of a minute.
    const length = 250_000;
    const reader = new ByteReader();
    const decode = (r: ByteReader): Buffer => r.bytes(length);
    const started = performance.now();
    for (let i = 0; i < length; i++) {
      reader.attempt(decode);
      if (reader.shortBy !== length - i) throw new Error(`short by ${reader.shortBy}`);
      reader.push(Buffer.of(i & 0xff));
    }
    const whole = reader.attempt(decode);
    expect(performance.now() - started).toBeLessThan(10_000);
    expect(whole?.every((byte, i) => byte === (i & 0xff))).toBe(true);
    expect(reader.shortBy).toBe(0);
  });

  it("tells how far a vain attempt went", () => {
    const reader = readerOf("010203");
    expect(reader.attempt((r) => [r.shortint(), r.int()])).toBeUndefined();
    expect([reader.reached, reader.shortBy]).toEqual([2, 3]);
  });
});
