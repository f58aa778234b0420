import * as fc from "fast-check";
import { expect, test } from "vitest";
import { DigestLineScanner } from "../../src/store/digest-lines.ts";
import { LineBuffer } from "../../src/store/line-buffer.ts";
import {
  decodeManifestEntry,
  type ManifestEntry,
  parseManifestLine,
  writeManifestEntry,
} from "../../src/store/manifest-entry.ts";

const name = fc
  .array(fc.constantFrom("a", "b c", "file-1", "~", "!", "é", 'q"', "\\", "\u0001"), {
    minLength: 1,
    maxLength: 3,
  })
  .map((parts) => parts.join("/"));

const entry: fc.Arbitrary<ManifestEntry> = fc.record(
  {
    name: name.map((text) => Buffer.from(text)),
    mode: fc.constantFrom(0o100644, 0o100000, 0o40755),
    size: fc.oneof(fc.nat(1e12), fc.nat(Number.MAX_SAFE_INTEGER)),
    mtimeSec: fc.oneof(fc.integer(), fc.maxSafeInteger()),
    mtimeNsec: fc.nat(999_999_999),
    uid: fc.nat(),
    gid: fc.nat(),
    outcome: fc.constantFrom("new" as const, "linked" as const),
    userName: fc.constantFrom(Buffer.from("root"), Buffer.from('","sha256":"')),
    digest: fc.uint8Array({ minLength: 32, maxLength: 32 }),
    attributes: fc.uint8Array({ minLength: 32, maxLength: 32 }),
  },
  { requiredKeys: ["name", "mode", "size", "mtimeSec", "mtimeNsec", "uid", "gid", "outcome"] },
);

test("property: what it reads of a line is what JSON has; it reads no line of anything but a file with a digest", () => {
  const scanner = new DigestLineScanner();
  let read = 0;
  fc.assert(
    fc.property(entry, entry, (wanted, next) => {
      const lines = new LineBuffer();
      writeManifestEntry(lines, wanted);
      const { length } = lines;
      lines.endLine();
      writeManifestEntry(lines, next);
      const bytes = lines.take();
      if (!scanner.scan(bytes, 0, length)) return;
      read++;
      const { line } = scanner;
      const decoded = decodeManifestEntry(
        parseManifestLine(bytes.toString("utf8", 0, length), 2),
        2,
      );
      expect(decoded.mode & 0o170000).toBe(0o100000);
      expect(bytes.subarray(line.nameStart, line.nameEnd)).toEqual(decoded.name);
      expect([line.size, line.mtimeSec, line.mtimeNsec]).toEqual([
        decoded.size,
        decoded.mtimeSec,
        decoded.mtimeNsec,
      ]);
      const digest = bytes.toString("latin1", line.digestStart, line.digestStart + 64);
      expect(digest).toBe(Buffer.from(decoded.digest ?? []).toString("hex"));
    }),
    { numRuns: 500 },
  );
  expect(read).toBeGreaterThan(5); // some forty
});

test("property: any bytes are a line or none", () => {
  const scanner = new DigestLineScanner();
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (some) => {
      const bytes = Buffer.concat([Buffer.from('{"name":"'), some]);
      expect(scanner.scan(bytes, 0, bytes.length)).toBe(false);
    }),
  );
});
