import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { takeBytes } from "../src/outgoing.ts";

describe("takeBytes", () => {
  it("gives all bytes in order, never more than asked for, and joins small chunks", () => {
    const chunks = fc.array(fc.uint8Array({ maxLength: 50 }), { minLength: 1 });
    fc.assert(
      fc.property(chunks, fc.integer({ min: 1, max: 100 }), (some, most) => {
        const all = Buffer.concat(some);
        const item = {
          chunks: some.map((chunk) => Buffer.from(chunk)),
          sent: 0,
          bytes: all.length,
          isExtended: false,
          done: () => {},
        };
        const taken: Buffer[] = [];
        while (item.bytes > 0) taken.push(takeBytes(item, most));
        expect(Buffer.concat(taken).equals(all)).toBe(true);
        expect(taken.every(({ length }) => length <= most)).toBe(true);
      }),
    );
    const small = {
      chunks: [Buffer.of(1), Buffer.of(2)],
      sent: 0,
      bytes: 2,
      isExtended: false,
      done: () => {},
    };
    expect(takeBytes(small, 100)).toEqual(Buffer.of(1, 2));
  });

  // A peer that grants a byte at a time made each of them move all the others: a quarter of a minute for these.
  it("takes as long for one byte of very many chunks as of few", () => {
    const count = 262_144;
    const byte = Buffer.of(7);
    const item = {
      chunks: Array.from({ length: count }, () => byte),
      sent: 0,
      bytes: count,
      isExtended: false,
      done: () => {},
    };
    const began = performance.now();
    let taken = 0;
    while (item.bytes > 0) taken += takeBytes(item, 1).length;
    expect(taken).toBe(count);
    expect(performance.now() - began).toBeLessThan(3_000);
  });
});
