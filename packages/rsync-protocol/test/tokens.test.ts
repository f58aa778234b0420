import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ByteReader,
  ByteWriter,
  PlainTokenReader,
  RsyncError,
  writeBlock,
  writeEndOfTokens,
  writeLiteral,
} from "../src/index.ts";

/** All tokens, literal bytes put together. */
function readAll(chunks: readonly Buffer[]): (number | string)[] {
  const reader = new ByteReader();
  const tokens = new PlainTokenReader();
  const found: (number | string)[] = [];
  let literal = "";
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let token = tokens.read(reader); token; token = tokens.read(reader)) {
      if (token.is === "literal") {
        literal += token.data.toString("hex");
        continue;
      }
      if (literal !== "") found.push(literal);
      literal = "";
      found.push(token.is === "block" ? token.index : "end");
      if (token.is === "end") break;
    }
  }
  return found;
}

describe("plain tokens", () => {
  it("look as the real rsync writes them", () => {
    const writer = new ByteWriter();
    writeLiteral(writer, Buffer.from("abc"));
    writeBlock(writer, 0);
    writeBlock(writer, 0x7fff_ffff);
    writeEndOfTokens(writer);
    expect(writer.take().toString("hex")).toBe("03000000616263ffffffff0000008000000000");
  });

  it("are read as they were written, cut anywhere", () => {
    const piece = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 50 }), fc.nat(0x7fff_ffff));
    fc.assert(
      fc.property(fc.array(piece), fc.integer({ min: 1, max: 20 }), (pieces, cut) => {
        const writer = new ByteWriter();
        const expected: (number | string)[] = [];
        for (const each of pieces) {
          if (typeof each === "number") {
            writeBlock(writer, each);
            expected.push(each);
          } else {
            const hex = Buffer.from(each).toString("hex");
            writeLiteral(writer, each);
            const last = expected.at(-1);
            if (typeof last === "string") expected[expected.length - 1] = last + hex;
            else expected.push(hex);
          }
        }
        writeEndOfTokens(writer);
        const bytes = writer.take();
        const chunks: Buffer[] = [];
        for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
        expect(readAll(chunks)).toEqual([...expected, "end"]);
      }),
    );
  });

  it("hold at most 32768 literal bytes", () => {
    const writer = new ByteWriter();
    writeLiteral(writer, Buffer.alloc(70_000));
    const bytes = writer.take();
    expect([bytes.readInt32LE(0), bytes.readInt32LE(32_772), bytes.readInt32LE(65_544)]).toEqual([
      32_768, 32_768, 4_464,
    ]);
    const reader = new ByteReader();
    reader.push(Buffer.from("01800000", "hex"));
    expect(() => new PlainTokenReader().read(reader)).toThrow(RsyncError);
  });
});
