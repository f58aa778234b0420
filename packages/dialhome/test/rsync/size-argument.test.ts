import { describe, expect, test } from "vitest";
import { parseSize } from "../../src/rsync/size-argument.ts";

describe("parseSize", () => {
  test.each([
    ["700", 700],
    ["1k", 1024],
    ["1K+1", 1025],
    ["1KiB-1", 1023],
    ["1.5mb", 1_500_000],
    [".5g", 2 ** 29],
    ["2t", 2 ** 41],
    ["7b", 7],
    ["0", 0],
  ])("%s is %d bytes", (text, bytes) => {
    expect(parseSize(text, "--max-size", "b")).toBe(bytes);
  });

  test("a unit that is left out is the option's", () => {
    expect(parseSize("2", "--bwlimit", "k")).toBe(2048);
    expect(parseSize("2+1", "--bwlimit", "k")).toBe(2049);
  });

  test.each(["", ".", "k", "1x", "1+2", "-1", "1kk", "0-1", "99999p"])("%j is refused", (text) => {
    expect(() => parseSize(text, "--max-size", "b")).toThrow(/^--max-size=/);
  });
});
