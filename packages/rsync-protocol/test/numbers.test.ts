import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter, RsyncError } from "../src/index.ts";
import { numbersOf } from "../src/numbers.ts";

describe("numbers of a file list", () => {
  it.each([32, 29])("come back as they were written: protocol %d", (protocol) => {
    const numbers = numbersOf(protocol);
    const time =
      protocol >= 30 ? fc.integer({ min: -(2 ** 40), max: 2 ** 40 }) : fc.nat(2 ** 32 - 1);
    const size = fc.oneof(
      fc.nat(2 ** 53 - 1),
      fc.nat(70_000),
      fc.constant(0x7fff_ffff),
      fc.constant(2 ** 31),
    );
    fc.assert(
      fc.property(
        fc.nat(0x7fff_ffff),
        fc.nat(2 ** 32 - 1),
        size,
        time,
        (count, id, long, seconds) => {
          const writer = new ByteWriter();
          numbers.writeLength(writer, count);
          numbers.writeId(writer, id);
          numbers.writeLong(writer, long);
          numbers.writeTime(writer, seconds);
          const reader = new ByteReader();
          reader.push(writer.take());
          expect(numbers.readLength(reader, "count", 0x7fff_ffff)).toBe(count);
          expect(numbers.readId(reader)).toBe(id);
          expect(numbers.readLong(reader)).toBe(long);
          expect(numbers.readTime(reader)).toBe(seconds);
          expect(reader.available).toBe(0);
        },
      ),
    );
  });

  it("below protocol 30 are 4 bytes, and 12 where that does not do", () => {
    const { writeLong, readLong } = numbersOf(29);
    const hex = (value: number): string => {
      const writer = new ByteWriter();
      writeLong(writer, value);
      return writer.take().toString("hex");
    };
    expect(hex(0x7fff_ffff)).toBe("ffffff7f");
    expect(hex(2 ** 31)).toBe("ffffffff0000008000000000");
    expect(hex(2 ** 40 + 5)).toBe("ffffffff0500000000010000");
    const reader = new ByteReader();
    reader.push(Buffer.from("ffffffff00000000000000ff", "hex"));
    expect(() => readLong(reader)).toThrow(RsyncError);
  });

  it("refuse a count that is negative or over its limit", () => {
    for (const hex of ["ffffffff", "05000000"]) {
      const reader = new ByteReader();
      reader.push(Buffer.from(hex, "hex"));
      expect(() => numbersOf(29).readLength(reader, "name", 4)).toThrow("name");
    }
  });
});
