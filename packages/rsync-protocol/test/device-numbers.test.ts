import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { deviceNumbersOf } from "../src/device-numbers.ts";
import { ByteReader, ByteWriter } from "../src/index.ts";

describe("device numbers", () => {
  it.each([32, 30, 29, 28, 27])("come back as they were written: protocol %d", (protocol) => {
    const numbers = deviceNumbersOf(protocol);
    const device = fc.record({
      major: fc.nat(0xfff),
      minor: fc.oneof(fc.nat(300), fc.nat(0xf_ffff)),
    });
    fc.assert(
      fc.property(fc.array(device), (devices) => {
        const writer = new ByteWriter();
        let previous = 0;
        const flags = devices.map(({ major, minor }) => {
          const each = numbers.flags(previous, major, minor);
          previous = numbers.write(writer, each, major, minor);
          return each;
        });
        const reader = new ByteReader();
        reader.push(writer.take());
        let before = 0;
        for (const [i, each] of devices.entries()) {
          const read = numbers.read(reader, flags[i] ?? 0, before);
          expect(read).toMatchObject(each);
          before = read.previous;
        }
        expect(reader.available).toBe(0);
      }),
    );
  });

  it("are in one number below protocol 28, as Linux has it: 259,65537", () => {
    const writer = new ByteWriter();
    deviceNumbersOf(27).write(writer, 0, 259, 65_537);
    expect(writer.take().readInt32LE()).toBe((0x100 << 20) | (259 << 8) | 1);
  });

  it("are on named pipes and sockets up to protocol 30", () => {
    expect([27, 28, 30, 31, 32].map((protocol) => deviceNumbersOf(protocol).onSpecials)).toEqual([
      true,
      true,
      true,
      false,
      false,
    ]);
  });
});
