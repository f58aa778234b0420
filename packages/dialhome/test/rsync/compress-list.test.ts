import { RsyncError } from "@dialhome/rsync-protocol";
import { expect, test } from "vitest";
import { parseCompressList } from "../../src/rsync/compress-list.ts";

test("RSYNC_COMPRESS_LIST is what is offered, in its order", () => {
  expect(parseCompressList(undefined)).toBeUndefined();
  expect(parseCompressList(" ")).toBeUndefined();
  expect(parseCompressList("zstd none")).toEqual(["zstd", "none"]);
  expect(parseCompressList("  LZ4  gzip zlib & zstd")).toEqual(["lz4", "zlib"]);
  expect(parseCompressList("& zstd")).toBeUndefined();
  expect(() => parseCompressList("gzip bzip2")).toThrow(RsyncError);
});
