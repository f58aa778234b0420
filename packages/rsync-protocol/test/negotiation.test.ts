import { describe, expect, it } from "vitest";
import {
  ByteReader,
  ByteWriter,
  COMPAT,
  chooseName,
  clientCapabilities,
  readNames,
  serverCompatFlags,
  writeNames,
} from "../src/index.ts";

describe("negotiation", () => {
  it("writes and reads lists of names", () => {
    const writer = new ByteWriter();
    writeNames(writer, ["xxh128", "xxh3", "xxh64", "md5", "md4", "sha1"]);
    const bytes = writer.take();
    expect(bytes[0]).toBe(0x1e);
    const reader = new ByteReader();
    reader.push(bytes);
    expect(readNames(reader, "checksum")).toEqual([
      "xxh128",
      "xxh3",
      "xxh64",
      "md5",
      "md4",
      "sha1",
    ]);
  });

  it("reads names in any case, and no list of more than 1024 bytes", () => {
    const reader = new ByteReader();
    reader.push(Buffer.from("\x08MD5  XXH", "latin1"));
    expect(readNames(reader, "checksum")).toEqual(["md5", "xxh"]);
    const long = new ByteReader();
    long.push(Buffer.from("8401", "hex"));
    expect(() => readNames(long, "checksum")).toThrow(/checksum names: 1025/);
  });

  it("chooses the first of the client that the server has", () => {
    expect(chooseName("checksum", ["a", "b", "c"], ["c", "b"])).toBe("b");
    expect(() => chooseName("checksum", ["a"], ["b"])).toThrow(/no checksum in common/);
  });

  it("says and answers capability letters", () => {
    expect(clientCapabilities(true)).toBe("iLsfxCIvu");
    expect(clientCapabilities(false)).toBe("LsfxCIvu");
    expect(serverCompatFlags("iLsfxCIvu", true)).toBe(0x1ff & ~COMPAT.SYMLINK_ICONV);
    expect(serverCompatFlags("iLsfxCIvu", false) & COMPAT.INC_RECURSE).toBe(0);
    expect(serverCompatFlags("Lsf", true)).toBe(COMPAT.SYMLINK_TIMES | COMPAT.SAFE_FLIST);
  });
});
