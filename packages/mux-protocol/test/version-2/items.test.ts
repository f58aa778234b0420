import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { readItems, writeItems } from "../../src/version-2/items.ts";
import { refusal } from "../support/refusal.ts";

const KNOWN = new Set([1, 2, 3, 200]);
const read = (bytes: readonly number[]): unknown => readItems(Uint8Array.from(bytes), KNOWN);
const item = fc.record({
  type: fc.constantFrom(...KNOWN),
  value: fc.uint8Array({ maxLength: 20 }),
});

test("what is written is read as the same", () => {
  fc.assert(
    fc.property(fc.array(item, { maxLength: 5 }), fc.nat(10), (items, spare) => {
      const bytes = items.reduce((sum, { value }) => sum + 2 + value.length, spare);
      const room = new Uint8Array(bytes).fill(0xff);
      writeItems(items, room);
      expect(readItems(room, KNOWN)).toEqual(items);
    }),
  );
});

test("items that do not fit are not written", () => {
  const two = { type: 1, value: Uint8Array.of(1, 2) };
  expect(() => writeItems([two, two], new Uint8Array(7))).toThrow("items beyond 7 bytes");
});

describe("a list", () => {
  test("may hold unknown items from 128 on, which are passed over", () => {
    expect(read([128, 1, 9, 1, 0, 255, 0])).toEqual([{ type: 1, value: new Uint8Array() }]);
  });

  test.each([
    ["an unknown item below 128", [127, 0]],
    ["an item without length", [1]],
    ["an item that is cut off", [1, 2, 0]],
    ["something behind its end", [1, 0, 0, 0, 1]],
  ])("with %s is refused", (_, bytes) => {
    expect(refusal(() => read(bytes))).toBe("ERR_MUX_PACKET");
  });
});
