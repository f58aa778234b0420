import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { isDeepStrictEqual } from "node:util";
import { gunzipSync, gzipSync } from "node:zlib";
import { DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { LineBuffer } from "../../src/store/line-buffer.ts";
import {
  decodeManifestEntry,
  isTreePath,
  type ManifestEntry,
  parseManifestLine,
  writeManifestEntry,
} from "../../src/store/manifest-entry.ts";
import type { ManifestHeader } from "../../src/store/manifest-frame.ts";
import { ManifestReader } from "../../src/store/manifest-reader.ts";
import { ManifestWriter } from "../../src/store/manifest-writer.ts";
import { openDescriptors, scratch } from "./support/rig.ts";

const header: ManifestHeader = { keyId: "k", id: "i", owners: true, nanoseconds: true };

function encodeManifestEntry(entry: ManifestEntry): string {
  const line = new LineBuffer();
  writeManifestEntry(line, entry);
  return line.take().toString();
}

const component = fc
  .oneof(
    fc.uint8Array({ minLength: 1, maxLength: 20 }),
    fc.string({ minLength: 1, maxLength: 20, unit: "grapheme" }).map((text) => Buffer.from(text)),
  )
  .map((bytes) => Buffer.from(bytes).map((byte) => (byte === 0 || byte === 0x2f ? 0x61 : byte)))
  .map((bytes) => Buffer.from(bytes))
  .filter((bytes) => !["", ".", ".."].includes(bytes.toString("latin1")));
const treePath = fc
  .array(component, { minLength: 1, maxLength: 5 })
  .map((parts) => Buffer.from(parts.map((part) => part.toString("latin1")).join("/"), "latin1"));
const bytes = fc.uint8Array({ maxLength: 30 }).map((array) => Buffer.from(array));
const id = fc.integer({ min: 0, max: 0xffff_ffff });

const entry: fc.Arbitrary<ManifestEntry> = fc
  .record(
    {
      name: fc.oneof(treePath, fc.constant(Buffer.from("."))),
      mode: fc
        .tuple(fc.constantFrom(1, 2, 4, 6, 8, 10, 12), fc.nat(0o7777))
        .map(([type, permissions]) => (type << 12) | permissions),
      size: fc.nat(Number.MAX_SAFE_INTEGER),
      mtimeSec: fc.maxSafeInteger(),
      mtimeNsec: fc.nat(999_999_999),
      uid: id,
      gid: id,
      userName: bytes,
      groupName: bytes,
      linkTarget: bytes,
      hardLinkTo: treePath,
      outcome: fc.constantFrom("new", "updated", "unchanged", "linked", "copied", "hard-linked"),
      digest: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((array) => Buffer.from(array)),
      attributes: fc
        .uint8Array({ minLength: 32, maxLength: 32 })
        .map((array) => Buffer.from(array)),
      device: fc.record({ rdevMajor: id, rdevMinor: id }),
    },
    {
      requiredKeys: ["name", "mode", "size", "mtimeSec", "mtimeNsec", "uid", "gid", "outcome"],
    },
  )
  .map(({ device, ...rest }) => ({ ...rest, ...device }));

function decode(line: string): ManifestEntry {
  return decodeManifestEntry(parseManifestLine(line, 2), 2);
}

function pathOrCode(line: string): string {
  try {
    return isTreePath(decode(line).name) ? "a tree path" : "another path";
  } catch (error) {
    return errorCode(error) ?? String(error);
  }
}

describe("a line", () => {
  test("property: every entry comes back", () => {
    fc.assert(
      fc.property(entry, (value) => {
        const line = encodeManifestEntry(value);
        expect(line).not.toContain("\n");
        expect(decode(line)).toEqual(value);
      }),
      { numRuns: 100 },
    );
  });

  test("property: any text is an entry or a typed error", () => {
    const mutated = fc
      .tuple(entry, fc.nat(), fc.string({ maxLength: 5 }))
      .map(([value, at, text]) => {
        const line = encodeManifestEntry(value);
        const position = at % line.length;
        return line.slice(0, position) + text + line.slice(position + text.length);
      });
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.json(), mutated), (line) => {
        expect(pathOrCode(line)).toMatch(/^(?:ERR_STORE_CORRUPT|a tree path)$/);
      }),
      { numRuns: 200 },
    );
  });

  const plain: ManifestEntry = {
    name: Buffer.from("a"),
    mode: 0o100644,
    size: 1,
    mtimeSec: 0,
    mtimeNsec: 0,
    uid: 0,
    gid: 0,
    outcome: "new",
  };

  test("is as documented", () => {
    expect(
      encodeManifestEntry({ ...plain, digest: Buffer.alloc(32, 0xab), rdevMajor: 1, rdevMinor: 3 }),
    ).toBe(
      `{"name":"a","type":"file","mode":33188,"size":1,"mtime":0,"nsec":0,"uid":0,"gid":0,"rdev":[1,3],"stored":"new","sha256":"${"ab".repeat(32)}"}`,
    );
    expect(encodeManifestEntry({ ...plain, name: Buffer.from([0xff]) })).toContain(
      '{"name":{"b64":"/w=="},',
    );
  });

  test.each<[string, Partial<ManifestEntry>]>([
    ["a path upwards", { name: Buffer.from("a/../b") }],
    ["an absolute path", { name: Buffer.from("/a") }],
    ["an empty path", { name: Buffer.alloc(0) }],
    ["a path with NUL", { name: Buffer.from("a\0b") }],
    ["a path over the limit", { name: Buffer.from("a/".repeat(2048)) }],
    ["a component over the limit", { name: Buffer.alloc(256, 0x61) }],
    ["a leader upwards", { hardLinkTo: Buffer.from("..") }],
    ["a target over the limit", { linkTarget: Buffer.alloc(4096, 0x61) }],
    ["a type that is none", { mode: 0o030644 }],
    ["a negative size", { size: -1 }],
    ["a size that is no integer", { size: 0.5 }],
    ["a size over 2^53", { size: 2 ** 60 }],
    ["too many nanoseconds", { mtimeNsec: 1e9 }],
    ["a short digest", { digest: Buffer.alloc(20) }],
    ["a short digest of attributes", { attributes: Buffer.alloc(31) }],
  ])("does not take %s", (_, change) => {
    expect(() => encodeManifestEntry({ ...plain, ...change })).toThrow(
      expect.objectContaining({ code: "ERR_STORE_LIMIT" }),
    );
  });

  test("takes the longest names, escaped to the last byte", () => {
    const longest = Buffer.from(`${"\u0001".repeat(255)}/`.repeat(15) + "\u0001".repeat(255));
    expect(longest).toHaveLength(4095);
    const value = {
      ...plain,
      name: longest,
      hardLinkTo: longest,
      linkTarget: Buffer.alloc(4095, 1),
    };
    expect(decode(encodeManifestEntry(value))).toEqual(value);
  });
});

function open(): DirectoryHandle {
  return DirectoryHandle.open(scratch());
}

function entryNumber(number: number): ManifestEntry {
  return {
    name: Buffer.from(`directory/file-${number}`),
    mode: 0o100644,
    size: number,
    mtimeSec: number,
    mtimeNsec: 5,
    uid: 0,
    gid: 0,
    outcome: "new",
    digest: createHash("sha256").update(String(number)).digest(),
  };
}

/** Of eighty thousand lines and entries, what the writer and the reader may hold on to, bytes: all would be 14 and 40 MB. */
const MOST_HELD = { writing: 5_000_000, reading: 18_000_000 } as const;

/** What this process holds, its garbage aside; what finalizers and turns let go is garbage of a later round. */
async function liveBytes(): Promise<number> {
  if (globalThis.gc === undefined) throw new Error("needs --expose-gc");
  for (let round = 0; round < 3; round++) {
    globalThis.gc();
    await new Promise(setImmediate);
  }
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function readAll(directory: DirectoryHandle): Promise<ManifestEntry[]> {
  const entries: ManifestEntry[] = [];
  for await (const value of new ManifestReader(directory, "m")) entries.push(value);
  return entries;
}

function writeMany(directory: DirectoryHandle, count: number): string {
  const writer = ManifestWriter.create(directory, "m", header);
  for (let i = 0; i < count; i++) writer.add(entryNumber(i));
  return writer.finish().sha256;
}

describe("a manifest", () => {
  test("of many blocks comes back whole, with its sums and its hash", async () => {
    using directory = open();
    const sha256 = writeMany(directory, 5_000);
    const file = fs.readFileSync(directory.at(Buffer.from("m")));
    expect(createHash("sha256").update(file).digest("hex")).toBe(sha256);
    const reader = new ManifestReader(directory, "m");
    let count = 0;
    const wrong: number[] = [];
    for await (const value of reader) {
      if (!isDeepStrictEqual(value, entryNumber(count))) wrong.push(count);
      count += 1;
    }
    expect(count).toBe(5_000);
    expect(wrong).toEqual([]);
    expect(reader.header).toEqual(header);
    expect(reader.totals).toMatchObject({ entries: 5_000, files: 5_000, bytes: 12_497_500 });
  });

  test("is plain gzip of lines", () => {
    using directory = open();
    writeMany(directory, 2);
    const lines = gunzipSync(fs.readFileSync(directory.at(Buffer.from("m"))))
      .toString()
      .split("\n");
    expect(lines).toHaveLength(5);
    expect(JSON.parse(lines[0] ?? "")).toEqual({ manifest: 1, ...header });
    expect(JSON.parse(lines[3] ?? "")).toMatchObject({ end: true, totals: { entries: 2 } });
  });

  test("cut anywhere is a typed error, and so is each damaged byte", async () => {
    using directory = open();
    writeMany(directory, 20);
    const file = directory.at(Buffer.from("m"));
    const whole = fs.readFileSync(file);
    for (let length = 0; length < whole.length; length += 7) {
      fs.writeFileSync(file, whole.subarray(0, length));
      await expect(readAll(directory)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    }
    for (let at = 10; at < whole.length; at += 11) {
      const damaged = Buffer.from(whole);
      damaged[at] = (damaged[at] ?? 0) ^ 0x55;
      fs.writeFileSync(file, damaged);
      await expect(readAll(directory)).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
    }
    fs.rmSync(file);
    await expect(readAll(directory)).rejects.toThrow("manifest: it is missing");
  });

  test.each<[string, (lines: string[]) => string[], string]>([
    [
      "a later format",
      ([, ...rest]) => [JSON.stringify({ ...header, manifest: 9 }), ...rest],
      "format 9 is not known",
    ],
    ["no header", ([, ...rest]) => rest, "its first line is no header"],
    [
      "a line left out",
      (lines) => [lines[0] ?? "", ...lines.slice(2)],
      "it tells of 3 entries but holds 2",
    ],
    [
      "a line after the end",
      (lines) => [...lines.slice(0, -1), lines[1] ?? "", ""],
      "comes after the end",
    ],
    ["no end", (lines) => [...lines.slice(0, -2), ""], "it ends early"],
    ["no last newline", (lines) => lines.slice(0, -1), "its last line is cut off"],
    [
      "a line of 200,000 characters",
      (lines) => [lines[0] ?? "", "x".repeat(200_000), ""],
      "has 200000 characters, limit 131072",
    ],
    [
      "a line without end",
      (lines) => [lines[0] ?? "", "x".repeat(3_000_000)],
      "it has a line without end",
    ],
    ["an array", ([a]) => [a ?? "", "[]", ""], "line 2 is no object"],
  ])("with %s is refused", async (_, change, message) => {
    using directory = open();
    writeMany(directory, 3);
    const file = directory.at(Buffer.from("m"));
    const lines = gunzipSync(fs.readFileSync(file)).toString().split("\n");
    fs.writeFileSync(file, gzipSync(change(lines).join("\n")));
    await expect(readAll(directory)).rejects.toThrow(message);
  });

  test("read only in part leaves nothing open", async () => {
    using directory = open();
    writeMany(directory, 20_000);
    const before = openDescriptors();
    for await (const value of new ManifestReader(directory, "m")) {
      expect(value).toEqual(entryNumber(0));
      break;
    }
    await expect.poll(openDescriptors).toBe(before);
  });

  test("costs little memory, however long it is", async () => {
    using directory = open();
    const writer = ManifestWriter.create(directory, "m", header);
    const value = entryNumber(1);
    const before = await liveBytes();
    for (let i = 0; i < 80_000; i++) writer.add(value);
    expect((await liveBytes()) - before).toBeLessThan(MOST_HELD.writing);
    writer.finish();
    let count = 0;
    const held: number[] = [];
    for await (const batch of new ManifestReader(directory, "m").batches()) {
      count += batch.length;
      if (count >= (held.length + 1) * 25_000) held.push((await liveBytes()) - before);
    }
    expect(count).toBe(80_000);
    expect(held).toHaveLength(3);
    expect(Math.max(...held)).toBeLessThan(MOST_HELD.reading);
  });
});

test("a path below a root is told from any other", () => {
  for (const good of ["a", ".", "a/b", "...", ".a", "a/..b", path.join("x", "y", "z")]) {
    expect(isTreePath(Buffer.from(good))).toBe(true);
  }
  for (const bad of ["", "/", "a/", "/a", "..", "a//b", "./a", "a/.", "a/..", "../a", "a\0"]) {
    expect(isTreePath(Buffer.from(bad))).toBe(false);
  }
});
