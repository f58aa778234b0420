import type { PullSummary } from "@dialhome/rsync-protocol-client";
import { expect, test } from "vitest";
import { formatListed } from "../../src/rsync/listing.ts";
import { formatNumber, formatRate } from "../../src/rsync/numbers.ts";
import { formatStatistics, formatTotals } from "../../src/rsync/totals.ts";
import { PLAIN_FILE } from "../support/entry.ts";

test.each([
  [{}, "-rw-r--r--          4,096 "],
  [{ mode: 0o40755 }, "drwxr-xr-x          4,096 "],
  [{ mode: 0o41777 }, "drwxrwxrwt          4,096 "],
  [{ mode: 0o104755 }, "-rwsr-xr-x          4,096 "],
  [{ mode: 0o102644 }, "-rw-r-Sr--          4,096 "],
  [{ mode: 0o60660 }, "brw-rw----          4,096 "],
])("a listed entry %o begins as in rsync", (changes, start) => {
  const line = formatListed({ ...PLAIN_FILE, ...changes }, 1);
  expect(line.startsWith(start)).toBe(true);
  expect(line).toMatch(/ \d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d a$/);
});

test("a link shows its target where that was sent, and sizes without separators are narrower", () => {
  const link = { ...PLAIN_FILE, mode: 0o120777, linkTarget: "b" };
  expect(formatListed(link, 1)).toMatch(/ a -> b$/);
  expect(formatListed({ ...link, linkTarget: "" }, 1)).toMatch(/ a$/);
  expect(formatListed(PLAIN_FILE, 0).startsWith("-rw-r--r--        4096 ")).toBe(true);
});

test.each([
  [1234567, 0, "1234567"],
  [1234567, 1, "1,234,567"],
  [1234567, 2, "1.23M"],
  [1234567, 3, "1.18M"],
  [999, 2, "999"],
])("%d at level %d is %s", (value, human, text) => {
  expect(formatNumber(value, human)).toBe(text);
});

test("rates have two decimals", () => {
  expect(formatRate(1234.5, 1)).toBe("1,234.50");
  expect(formatRate(1234.5, 0)).toBe("1234.50");
});

const summary: PullSummary = {
  exitCode: 0,
  protocol: 32,
  checksum: "xxh128",
  compression: "none",
  listed: { files: 2, directories: 2, symlinks: 1, devices: 0, specials: 0 },
  created: { files: 0, directories: 0, symlinks: 0, devices: 0, specials: 0 },
  deleted: { files: 0, directories: 0, symlinks: 0, devices: 0, specials: 0 },
  transferredFiles: 2,
  totalBytes: 10,
  transferredBytes: 9,
  literalBytes: 9,
  matchedBytes: 0,
  listBytes: 145,
  bytesSent: 76,
  bytesReceived: 240,
  server: undefined,
  problems: [],
};

test("statistics are rsync's lines", () => {
  const lines = formatStatistics(summary, 1);
  expect(lines).toContain("Number of files: 5 (reg: 2, dir: 2, link: 1)");
  expect(lines).toContain("Number of created files: 0");
  expect(lines).toContain("Literal data: 9 bytes");
  expect(lines).toContain("File list size: 145");
});

test("totals are rsync's two lines", () => {
  expect(formatTotals(summary, 1_200, 1, false)).toEqual([
    "sent 76 bytes  received 240 bytes  210.67 bytes/sec",
    "total size is 10  speedup is 0.03",
  ]);
  expect(formatTotals(summary, 0, 1, true)[1]).toBe("total size is 10  speedup is 0.03 (DRY RUN)");
});
