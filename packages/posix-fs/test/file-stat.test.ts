import * as fs from "node:fs";
import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  fileStatOf,
  isDirectory,
  isRegularFile,
  isSymlink,
  joinDevice,
  splitDevice,
} from "../src/file-stat.ts";

test("device numbers are joined and split as glibc does", () => {
  expect(joinDevice(1, 3)).toBe(0x103n);
  expect(joinDevice(8, 300)).toBe(0x10082cn);
  expect(joinDevice(0xffffffff, 0xffffffff)).toBe(0xffffffffffffffffn);
  fc.assert(
    fc.property(fc.nat(0xffffffff), fc.nat(0xffffffff), (major, minor) => {
      expect(splitDevice(joinDevice(major, minor))).toEqual({ major, minor });
    }),
  );
});

test("a character device tells its numbers", () => {
  const stat = fileStatOf(fs.lstatSync("/dev/null", { bigint: true }));
  expect(stat).toMatchObject({ rdevMajor: 1, rdevMinor: 3 });
  expect(stat.mode & 0o170000).toBe(0o020000);
});

test("type bits are told apart", () => {
  expect([0o100644, 0o040755, 0o120777].map((mode) => isRegularFile({ mode }))).toEqual([
    true,
    false,
    false,
  ]);
  expect([0o100644, 0o040755, 0o120777, 0o060000].map((mode) => isDirectory({ mode }))).toEqual([
    false,
    true,
    false,
    false,
  ]);
  expect([0o100644, 0o140755, 0o120777].map((mode) => isSymlink({ mode }))).toEqual([
    false,
    false,
    true,
  ]);
});
