import { expect, test } from "vitest";
import { formatChecksumChoice, OFFERED_CHECKSUMS, parseChecksumChoice } from "../src/index.ts";

test("one name is that of both, two are those of the transfer and of the list", () => {
  expect(parseChecksumChoice("XXHash")).toEqual({ transfer: "xxh64", list: "xxh64" });
  expect(parseChecksumChoice("none,md5")).toEqual({ transfer: "none", list: "md5" });
  for (const wrong of ["", "crc", "md5,", "md5,crc", "md5,md4,sha1"]) {
    expect(parseChecksumChoice(wrong)).toBeUndefined();
  }
  for (const text of ["md5", "xxh128,sha1"]) {
    const choice = parseChecksumChoice(text);
    expect(choice && formatChecksumChoice(choice)).toBe(text);
  }
});

test("they are offered in rsync's order", () => {
  expect(OFFERED_CHECKSUMS.join(" ")).toBe("xxh128 xxh3 xxh64 md5 md4 sha1");
});
