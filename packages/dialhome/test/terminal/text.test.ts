import { expect, test } from "vitest";
import { printable, printableBytes } from "../../src/terminal/printable.ts";
import { formatBytes, formatCount, formatFiles } from "../../src/terminal/sizes.ts";
import { formatTable } from "../../src/terminal/table.ts";

test("what could steer a terminal is escaped", () => {
  expect(printable("a\u001b[31mb\u202ec\nd")).toBe("a\\u{1b}[31mb\\u{202e}c\\u{a}d");
  expect(printable("grüße 日本")).toBe("grüße 日本");
  expect(printableBytes(Buffer.from("grüße\u0007").toString("latin1"))).toBe("grüße\\#007");
});

test.each([
  ["lat\xe9in1", "lat\\#351in1"],
  ["new\nline", "new\\#012line"],
  ["like an escape: \\#123", "like an escape: \\#134#123"],
  ["beyond Unicode: \xf4\x90\x80\x80", "beyond Unicode: \\#364\\#220\\#200\\#200"],
])("the bytes %j are written as rsync writes them", (bytes, text) => {
  expect(printableBytes(bytes)).toBe(text);
});

test.each([
  [0, "0 B"],
  [999, "999 B"],
  [1_000, "1.0 kB"],
  [12_345, "12.3 kB"],
  [999_950, "1.0 MB"],
  [234_000_000, "234 MB"],
  [5e15, "5.0 PB"],
  [5e18, "5000 PB"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test("counts have separators, and one file is a file", () => {
  expect(formatCount(1_234_567)).toBe("1,234,567");
  expect(formatFiles(1)).toBe("1 file");
  expect(formatFiles(0)).toBe("0 files");
});

test("columns line up", () => {
  expect(
    formatTable(
      [
        ["name", "size"],
        ["a", "10"],
        ["long one", "9"],
      ],
      [1],
    ),
  ).toEqual(["name      size", "a           10", "long one     9"]);
});
