import { type FileEntry, ITEM } from "@dialhome/rsync-protocol";
import { expect, test } from "vitest";
import { assertFormat, formatHas, formatItem, type Item } from "../../src/rsync/item-line.ts";
import { PLAIN_FILE } from "../support/entry.ts";

const entry = { ...PLAIN_FILE, name: "d/a", mode: 0o100640, size: 1_234_567, uid: 7, gid: 8 };
const item: Item = {
  letters: ">f+++++++++",
  operation: "recv",
  name: "d/a",
  isDirectory: false,
  entry,
  hardLinkTo: undefined,
  checksum: Buffer.from("0102", "hex"),
  changes: ITEM.TRANSFER,
};
const context = {
  keepsOwner: true,
  keepsGroup: false,
  ownerOf: ({ uid, gid }: FileEntry) => ({ uid: uid + 100, gid }),
  checksumDigits: 4,
  isReversed: false,
  tellsChecksums: true,
  isDryRun: false,
};

test.each([
  ["%i %n%L", ">f+++++++++ d/a"],
  ["[%6n|%-6n|%o]", "[   d/a|d/a   |recv]"],
  ["%l %'l %''l %12l", "1234567 1,234,567 1.23M      1234567"],
  ["%B %U %G %C%% %Z %h", "rw-r----- 107 DEFAULT 0102% %Z %h"],
  ["%5L|", "         |"],
])("%s makes %j", (format, line) => {
  expect(formatItem(format, item, context)).toBe(line);
});

test("links, directories and checksums of xxHash", () => {
  const link = { ...item, entry: { ...entry, mode: 0o120777, linkTarget: "x" } };
  expect(formatItem("%n%L|%6L|%C|", link, context)).toBe("d/a -> x| ->      x|    |");
  expect(formatItem("%n%L", { ...item, hardLinkTo: "b" }, context)).toBe("d/a => b");
  expect(formatItem("%n", { ...item, isDirectory: true }, context)).toBe("d/a/");
  expect(formatItem("%C", item, { ...context, isReversed: true })).toBe("0201");
  expect(formatItem("%C", { ...item, changes: 0 }, context)).toBe("    ");
  expect(formatItem("%C", item, { ...context, tellsChecksums: false })).toBe("    ");
  // Of what would be transferred rsync tells a checksum of zeros.
  const would = { ...context, isDryRun: true };
  expect(formatItem("%C", { ...item, checksum: undefined }, would)).toBe("0000");
  expect(formatItem("%C", { ...item, checksum: undefined, changes: 0 }, would)).toBe("    ");
});

test("what cannot be told is refused, and letters are found behind their widths", () => {
  expect(() => assertFormat("%n %'10b")).toThrow(expect.objectContaining({ exitCode: 4 }));
  expect(formatHas("%-10i", "io")).toBe(true);
  expect(formatHas("%%i %n", "io")).toBe(false);
});
