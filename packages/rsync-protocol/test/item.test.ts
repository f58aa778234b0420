import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  BASIS,
  ByteReader,
  ByteWriter,
  createNdxCodec,
  ITEM,
  type Item,
  NdxCodec,
  RsyncError,
  readItem,
  writeItem,
} from "../src/index.ts";

const items = fc.record({
  ndx: fc.integer({ min: 0, max: 1_000_000 }),
  flags: fc.nat(0xffff),
  basis: fc.nat(255),
  xname: fc.string({ unit: "binary-ascii", maxLength: 300 }),
});

describe("items", () => {
  it("are read as they were written", () => {
    fc.assert(
      fc.property(fc.array(items), (all) => {
        const [there, here] = [new NdxCodec(), new NdxCodec()];
        const writer = new ByteWriter();
        for (const item of all) writeItem(writer, there, item);
        const reader = new ByteReader();
        reader.push(writer.take());
        for (const item of all) {
          const expected: Item = {
            ndx: item.ndx,
            flags: item.flags,
            basis: item.flags & ITEM.BASIS_TYPE_FOLLOWS ? item.basis : BASIS.FILE,
            xname: item.flags & ITEM.XNAME_FOLLOWS ? item.xname : undefined,
          };
          const read = readItem(reader, here);
          here.commit(read.ndx);
          expect(read).toEqual(expected);
        }
        expect(reader.available).toBe(0);
      }),
    );
  });

  it("have no name of more than 4095 bytes", () => {
    const reader = new ByteReader();
    reader.push(Buffer.from("010010ffff", "hex"));
    expect(() => readItem(reader, new NdxCodec())).toThrow(RsyncError);
  });
});

it("an index alone is a transfer below protocol 29", () => {
  const codec = createNdxCodec(28);
  const writer = new ByteWriter();
  const flags = ITEM.TRANSFER | ITEM.IS_NEW | ITEM.XNAME_FOLLOWS;
  writeItem(writer, codec, { ndx: 7, flags, basis: 0x81, xname: "x" });
  const reader = new ByteReader();
  reader.push(writer.take());
  const read = readItem(reader, codec);
  expect(read).toEqual({ ndx: 7, flags: ITEM.TRANSFER, basis: BASIS.FILE, xname: undefined });
  expect(reader.available).toBe(0);
});
