import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DigestTable } from "../../src/store/digest-table.ts";
import type { ManifestEntry } from "../../src/store/manifest-entry.ts";
import { PathTable } from "../../src/store/path-table.ts";

test("property: it is a set of byte strings, numbered as they came", () => {
  const path = fc.uint8Array({ maxLength: 12 });
  fc.assert(
    fc.property(fc.array(path), fc.array(path), (added, asked) => {
      const table = new PathTable(1);
      const model = new Map<string, number>();
      for (const bytes of added) {
        const key = Buffer.from(bytes).toString("latin1");
        if (!model.has(key)) model.set(key, model.size);
        expect(table.add(bytes)).toBe(model.get(key));
        expect(table.size).toBe(model.size);
      }
      for (const bytes of [...added, ...asked]) {
        const key = Buffer.from(bytes).toString("latin1");
        expect(table.find(bytes)).toBe(model.get(key) ?? -1);
      }
      for (const [key, number] of model) expect(table.get(number).toString("latin1")).toBe(key);
    }),
  );
});

function fileEntry(number: number): ManifestEntry {
  return {
    name: Buffer.from(`usr/share/doc/package-${number % 100}/file-${number}`),
    mode: 0o100644,
    size: number,
    mtimeSec: -number,
    mtimeNsec: number,
    uid: 0,
    gid: 0,
    outcome: "new",
  };
}

test("fifty thousand paths stay apart, at under 120 bytes a file with its digest", () => {
  const count = 50_000;
  const table = new DigestTable(count);
  globalThis.gc?.(); // what others have left is not to count against it
  const before = process.memoryUsage();
  const digest = Buffer.alloc(32);
  for (let i = 0; i < count; i++) {
    digest.writeUInt32LE(i);
    table.add({ ...fileEntry(i), digest });
  }
  const after = process.memoryUsage();
  expect((after.arrayBuffers - before.arrayBuffers) / count).toBeLessThan(120);
  for (let i = 0; i < count; i += 97) expect(table.find(fileEntry(i))?.readUInt32LE()).toBe(i);
  expect(table.find(fileEntry(count))).toBeUndefined();
});

test("a digest is given only for the same path, size and time", () => {
  const table = new DigestTable();
  const entry = {
    name: Buffer.from("a"),
    mode: 0o100644,
    size: 5,
    mtimeSec: 7,
    mtimeNsec: 9,
    uid: 0,
    gid: 0,
    outcome: "linked" as const,
  };
  table.add({ ...entry, digest: Buffer.alloc(32, 1) });
  table.add({ ...entry, name: Buffer.from("d"), mode: 0o40755, digest: Buffer.alloc(32, 2) });
  expect(table.find({ ...entry, mode: 0o100600, uid: 3 })).toEqual(Buffer.alloc(32, 1));
  for (const change of [
    { size: 6 },
    { mtimeSec: 8 },
    { mtimeNsec: 8 },
    { name: Buffer.from("b") },
  ]) {
    expect(table.find({ ...entry, ...change })).toBeUndefined();
  }
  expect(table.size).toBe(1);
});
