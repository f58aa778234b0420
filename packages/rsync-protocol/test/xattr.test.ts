import { array, assert, integer, property, string, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import {
  ByteReader,
  ByteWriter,
  isListedValue,
  isLong,
  listXattr,
  RsyncError,
  readXattrRequest,
  readXattrValues,
  writeXattrRequest,
  writeXattrValues,
  type XattrSet,
} from "../src/index.ts";
import { XattrSetDecoder, XattrSetEncoder } from "../src/xattr.ts";

function readerOf(bytes: Uint8Array): ByteReader {
  const reader = new ByteReader();
  reader.push(Buffer.from(bytes));
  return reader;
}

const xattrName = string({ minLength: 1, maxLength: 20, unit: "binary-ascii" })
  .filter((text) => !text.includes("\0"))
  .map((text) => `user.${text}`);
const sets = array(
  array(
    uint8Array({ maxLength: 70 }).chain((value) =>
      xattrName.map((name) => listXattr(name, Buffer.from(value))),
    ),
    { maxLength: 4 },
  ),
  { maxLength: 8 },
);

test("a set is told once and named afterwards, a value of over 32 bytes by its digest", () => {
  const encoder = new XattrSetEncoder();
  const writer = new ByteWriter();
  const set = [
    listXattr("user.long", Buffer.alloc(100, "x")),
    listXattr("user.short", Buffer.from("abc")),
  ];
  encoder.write(writer, []);
  encoder.write(writer, set);
  encoder.write(writer, set);
  encoder.write(writer, []);
  const bytes = writer.take();
  // As in the recording: empty literal, literal of two, then both by number.
  expect(bytes.subarray(0, 7).toString("hex")).toBe("000000020a6475");
  expect(bytes.subarray(-2).toString("hex")).toBe("0201");
  expect(isLong(set[0]!)).toBe(true);
  expect(isListedValue(set[0]!, Buffer.alloc(100, "x"))).toBe(true);
  expect(isListedValue(set[0]!, Buffer.alloc(100, "y"))).toBe(false);
});

test("what is written is read again, wherever the bytes are cut", () => {
  assert(
    property(sets, integer({ min: 1, max: 7 }), (all, step) => {
      const encoder = new XattrSetEncoder();
      const writer = new ByteWriter();
      for (const set of all) encoder.write(writer, set);
      const bytes = writer.take();
      const decoder = new XattrSetDecoder();
      const reader = new ByteReader();
      const found: XattrSet[] = [];
      for (let at = 0; at < bytes.length; at += step) {
        reader.push(bytes.subarray(at, at + step));
        for (;;) {
          const set = reader.attempt((r) => decoder.read(r));
          if (!set) break;
          decoder.commit();
          found.push(set);
        }
      }
      expect(found).toEqual(all);
    }),
  );
});

test("requests and values are read as they were written", () => {
  const writer = new ByteWriter();
  writeXattrRequest(writer, [1, 2, 5]);
  writeXattrValues(writer, [
    { number: 1, value: Buffer.alloc(100, "a") },
    { number: 5, value: Buffer.alloc(0) },
  ]);
  const reader = readerOf(writer.take());
  expect(readXattrRequest(reader, 5)).toEqual([1, 2, 5]);
  expect(
    readXattrValues(reader, [1, 5]).map(({ number, value }) => [number, value.length]),
  ).toEqual([
    [1, 100],
    [5, 0],
  ]);
});

test.each([
  ["a set that was not told", "05"],
  ["too many attributes", "00f0ffff0f00"],
  ["a name without NUL", "0001010161"],
  ["an empty name", "00010000"],
])("%s is an error of the peer", (_what, hex) => {
  expect(() =>
    new XattrSetDecoder().read(readerOf(Buffer.from(`${hex}0000000000`, "hex"))),
  ).toThrow(RsyncError);
});

test("a value that was not asked for is an error of the peer; one that is missing could not be read there", () => {
  const writer = new ByteWriter();
  writeXattrValues(writer, [{ number: 2, value: Buffer.alloc(40) }]);
  const bytes = writer.take();
  expect(() => readXattrValues(readerOf(bytes), [1])).toThrow(RsyncError);
  expect(() => readXattrValues(readerOf(bytes), [2], 39)).toThrow(RsyncError);
  expect(readXattrValues(readerOf(bytes), [1, 2, 3])).toEqual([
    { number: 2, value: Buffer.alloc(40) },
  ]);
  expect(() => readXattrRequest(readerOf(Buffer.from([3, 0])), 2)).toThrow(RsyncError);
});

test("any bytes are a set, too few, or an error of the peer", () => {
  assert(
    property(uint8Array({ maxLength: 40 }), (bytes) => {
      const decoder = new XattrSetDecoder();
      let error: unknown;
      try {
        readerOf(bytes).attempt((r) => decoder.read(r));
      } catch (thrown) {
        error = thrown;
      }
      expect(error === undefined || error instanceof RsyncError).toBe(true);
    }),
  );
});
