import { describe, expect, it } from "vitest";
import { compressionAt, parseCompressionName } from "../src/index.ts";

describe("a compression", () => {
  it("is read in any case, by the names of rsync", () => {
    expect(["ZSTD", "lz4", "zlibX", "zlib", "none", "gzip", ""].map(parseCompressionName)).toEqual([
      "zstd",
      "lz4",
      "zlibx",
      "zlib",
      "none",
      undefined,
      undefined,
    ]);
  });

  // As `rsync --debug=nstr` of rsync 3.5.0 tells them.
  it.each([
    ["zstd", undefined, "zstd", 3],
    ["zstd", 0, "zstd", 3],
    ["zstd", -1, "zstd", -1],
    ["zstd", 99, "zstd", 22],
    ["zstd", -200_000, "zstd", -131_072],
    ["zlib", undefined, "zlib", 6],
    ["zlibx", -1, "zlibx", 6],
    ["zlib", -2, "zlib", 1],
    ["zlib", 99, "zlib", 9],
    ["zlib", 0, "none", 0],
    ["zlibx", 0, "none", 0],
    ["lz4", 9, "lz4", 0],
    ["none", 4, "none", 0],
  ] as const)("%s at level %s is %s at level %s", (name, level, effective, at) => {
    expect(compressionAt(name, level)).toEqual({ name: effective, level: at });
  });
});
