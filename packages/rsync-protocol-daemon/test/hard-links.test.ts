import type { FileStat } from "@dialhome/posix-fs";
import { expect, test } from "vitest";
import { HardLinks } from "../src/hard-links.ts";

const stat = (dev: number, ino: bigint): FileStat => ({
  mode: 0o100644,
  size: 0,
  atimeSec: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  uid: 0,
  gid: 0,
  ino,
  dev,
  nlink: 2,
  rdevMajor: 0,
  rdevMinor: 0,
  blocks: 0,
});

test("a group is the index of its first entry, per device and with all 64 bits of the inode", () => {
  const links = new HardLinks();
  expect(links.groupOf(stat(1, 5n), 10)).toBe(10);
  expect(links.groupOf(stat(2, 5n), 11)).toBe(11);
  expect(links.groupOf(stat(1, 5n), 12)).toBe(10);
  expect(links.groupOf(stat(1, 2n ** 60n), 13)).toBe(13);
  expect(links.groupOf(stat(1, 2n ** 60n + 1n), 14)).toBe(14);
});
