import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter } from "../src/index.ts";

function written(write: (writer: ByteWriter) => void): Buffer {
  const writer = new ByteWriter(1);
  write(writer);
  return writer.take();
}

function readBack<T>(bytes: Buffer, read: (reader: ByteReader) => T): T {
  const reader = new ByteReader();
  reader.push(bytes);
  const value = read(reader);
  expect(reader.available).toBe(0);
  return value;
}

describe("ByteWriter", () => {
  it.each([
    [7, "07"],
    [0x2098, "a098"],
    [0x1ff, "81ff"],
    [54_321, "c031d4"],
    [123_456_789, "e715cd5b"],
    [-1, "f0ffffffff"],
  ])("writes the varint %d as %s", (value, hex) => {
    expect(written((w) => w.varint(value)).toString("hex")).toBe(hex);
  });

  it.each([
    [12, 3, "000c00"],
    [3_145_728, 3, "300000"],
    [2_209_086_245, 4, "8025fbab83"],
    [-157_668_955, 4, "f8a5299af6ffffffff"],
  ])("writes the varlong %d with at least %d bytes as %s", (value, minimum, hex) => {
    expect(written((w) => w.varlong(value, minimum)).toString("hex")).toBe(hex);
  });

  it("hands over what was written behind its headroom, however much, and never touches it again", () => {
    const writer = new ByteWriter(64, 4);
    for (const length of [1, 40, 64, 65, 1000]) {
      const bytes = Buffer.alloc(length, length);
      writer.bytes(bytes);
      expect(writer.length).toBe(length);
      const taken = writer.take();
      expect(writer.length).toBe(0);
      writer.bytes(Buffer.alloc(length, 7));
      writer.take();
      expect(taken.length).toBe(4 + length);
      expect(taken.subarray(4).equals(bytes)).toBe(true);
    }
  });

  it("writes what the reader reads", () => {
    fc.assert(
      fc.property(
        fc.integer(),
        fc.integer({ min: -Number.MAX_SAFE_INTEGER, max: Number.MAX_SAFE_INTEGER }),
        fc.constantFrom(3, 4),
        fc.uint8Array({ maxLength: 300 }),
        (int, long, minimum, bytes) => {
          const text = Buffer.from(bytes).toString("latin1");
          const all = written((w) => {
            w.int(int);
            w.varint(int);
            w.varlong(long, minimum);
            w.vstring(text);
            w.shortint(int);
            w.byte(int);
            w.bytes(bytes);
          });
          expect(
            readBack(all, (r) => [
              r.int(),
              r.varint(),
              r.varlong(minimum),
              r.vstring("text", 400),
              r.shortint(),
              r.byte(),
              [...r.bytes(bytes.length)],
            ]),
          ).toEqual([int, int, long, text, int & 0xffff, int & 0xff, [...bytes]]);
        },
      ),
    );
  });

  it("starts anew after take, and leaves the bytes taken alone", () => {
    const writer = new ByteWriter(4);
    writer.latin1("abc");
    const first = writer.take();
    writer.latin1("xyz");
    expect(first.toString()).toBe("abc");
    expect(writer.length).toBe(3);
    expect(() => writer.vstring("x".repeat(0x8000))).toThrow(RangeError);
  });
});
