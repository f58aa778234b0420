import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { ByteReader, ByteWriter, createNdxCodec, NDX, NdxCodec, RsyncError } from "../src/index.ts";

describe("NdxCodec", () => {
  it("writes indexes as the real rsync does", () => {
    const codec = new NdxCodec();
    const hex = (ndx: number): string => {
      const writer = new ByteWriter();
      codec.write(writer, ndx);
      return writer.take().toString("hex");
    };
    expect(hex(0)).toBe("01");
    expect(hex(2)).toBe("02");
    expect(hex(NDX.DONE)).toBe("00");
    expect(hex(-102)).toBe("ff65");
    expect(hex(-104)).toBe("ff02");
    expect(hex(-103)).toBe("fffe80670000");
    expect(hex(NDX.FLIST_EOF)).toBe("fffe80020000");
    expect(hex(2)).toBe("fe0000");
    expect(hex(2 + 253)).toBe("fd");
    expect(hex(2 + 253 + 254)).toBe("fe00fe");
  });

  it("reads back any sequence, which an unfinished attempt does not disturb", () => {
    const index = fc.oneof(
      fc.integer({ min: -0x7fff_ffff, max: 0x7fff_ffff }),
      fc.integer({ min: -300, max: 300 }),
    );
    fc.assert(
      fc.property(fc.array(index), (all) => {
        const [there, here] = [new NdxCodec(), new NdxCodec()];
        const writer = new ByteWriter();
        for (const ndx of all) there.write(writer, ndx);
        const reader = new ByteReader();
        reader.push(writer.take());
        for (const ndx of all) {
          expect(here.peek(reader)).toBe(ndx);
          here.commit(ndx);
        }
        expect(reader.available).toBe(0);
      }),
    );
  });

  it("refuses an index beyond 31 bits", () => {
    const reader = new ByteReader();
    reader.push(Buffer.from("feffffffff01", "hex"));
    const codec = new NdxCodec();
    codec.commit(codec.peek(reader));
    expect(() => codec.peek(reader)).toThrow(RsyncError);
  });
});

describe("createNdxCodec", () => {
  it("below protocol 30 gives plain ints, followed by flags from 29 on", () => {
    for (const protocol of [27, 28, 29]) {
      const codec = createNdxCodec(protocol);
      const writer = new ByteWriter();
      for (const ndx of [5, NDX.DONE, 5]) codec.write(writer, ndx);
      const bytes = writer.take();
      expect(bytes.toString("hex")).toBe("05000000ffffffff05000000");
      const reader = new ByteReader();
      reader.push(bytes);
      for (const ndx of [5, NDX.DONE, 5]) {
        expect(codec.peek(reader)).toBe(ndx);
        codec.commit(ndx);
      }
      expect(codec.carriesFlags).toBe(protocol === 29);
    }
    expect(createNdxCodec(30).carriesFlags).toBe(true);
  });
});
