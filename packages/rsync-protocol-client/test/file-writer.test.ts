import { createHash } from "node:crypto";
import {
  closeSync,
  constants,
  mkdtempSync,
  openSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createChecksum } from "@dialhome/rsync-protocol";
import * as fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { FileWriter } from "../src/file-writer.ts";

const folder = mkdtempSync(join(tmpdir(), "dialhome-writer-"));
const checksum = await createChecksum("md5", { seed: 0, seedFirst: true });

afterAll(() => rmSync(folder, { recursive: true }));

function write(
  pieces: readonly Buffer[],
  sparse: boolean,
): { content: Buffer; blocks: number; sum: string; digest: string } {
  const path = join(folder, "file");
  const fd = openSync(path, constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC);
  try {
    const writer = new FileWriter(checksum, { sparse, contentDigest: "sha256" });
    writer.begin(fd);
    for (const piece of pieces) writer.write(piece);
    const { checksum: sum, digest, failure } = writer.finish();
    expect(failure).toBeUndefined();
    return {
      content: readFileSync(path),
      blocks: statSync(path).blocks,
      sum: Buffer.from(sum).toString("hex"),
      digest: Buffer.from(digest ?? []).toString("hex"),
    };
  } finally {
    closeSync(fd);
  }
}

const hash = (name: string, data: Buffer): string => createHash(name).update(data).digest("hex");

describe("FileWriter", () => {
  it("writes the bytes, their checksum and their digest, sparse or not", () => {
    const piece = fc.oneof(
      fc.uint8Array({ maxLength: 5_000 }).map((bytes) => Buffer.from(bytes)),
      fc.nat(40_000).map((length) => Buffer.alloc(length)),
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), fc.boolean(), (pieces, sparse) => {
        const whole = Buffer.concat(pieces);
        const { content, sum, digest } = write(pieces, sparse);
        expect(content.equals(whole)).toBe(true);
        expect([sum, digest]).toEqual([hash("md5", whole), hash("sha256", whole)]);
      }),
    );
  });

  it("leaves holes where there are only zeros, also at the end", () => {
    const pieces = [
      Buffer.from("begin"),
      Buffer.alloc(3_000_000),
      Buffer.from("middle"),
      Buffer.alloc(700_000),
    ];
    const { content, blocks } = write(pieces, true);
    expect(content.equals(Buffer.concat(pieces))).toBe(true);
    expect(blocks * 512).toBeLessThan(100_000);
    expect(write(pieces, false).blocks * 512).toBeGreaterThan(3_000_000);
  });

  it("copies from a basis, and tells when that ends too early", () => {
    write([Buffer.from("0123456789")], false);
    const basis = openSync(join(folder, "file"), "r");
    const out = openSync(join(folder, "copy"), "w");
    const writer = new FileWriter(checksum, {
      sparse: false,
      contentDigest: undefined,
    });
    writer.begin(out);
    expect(writer.copy(basis, 4, 3)).toBe(true);
    writer.write(Buffer.from("-"));
    expect(writer.length).toBe(4);
    writer.finish();
    expect(readFileSync(join(folder, "copy"), "utf8")).toBe("456-");
    expect(writer.copy(basis, 8, 3)).toBe(false);
    closeSync(basis);
    closeSync(out);
  });

  it("keeps the first failure and goes on hashing, so that the session stays in step", () => {
    const readOnly = openSync(join(folder, "file"), "r");
    const writer = new FileWriter(checksum, {
      sparse: false,
      contentDigest: undefined,
    });
    writer.begin(readOnly);
    const data = Buffer.alloc(600_000, 7);
    writer.write(data);
    expect(writer.failure).toMatchObject({ code: "EBADF" });
    const { checksum: sum, failure } = writer.finish();
    expect(failure).toMatchObject({ code: "EBADF" });
    expect(Buffer.from(sum).toString("hex")).toBe(hash("md5", data));
    closeSync(readOnly);
  });
});

describe("FileWriter over a file that is there", () => {
  /** Rebuilds `wanted` over `old`, of which blocks at or behind the place of writing may be used. */
  function writeOver(
    old: Buffer,
    pieces: readonly (Buffer | [number, number])[],
    sparse: boolean,
    from = 0,
  ) {
    const path = join(folder, "over");
    writeFileSync(path, old);
    const fd = openSync(path, "r+");
    const basis = openSync(path, "r");
    try {
      const writer = new FileWriter(checksum, { sparse, contentDigest: "sha256" });
      writer.begin(fd, { from, isBasis: true });
      let isWhole = true;
      for (const piece of pieces) {
        if (Buffer.isBuffer(piece)) writer.write(piece);
        else isWhole &&= writer.copy(basis, ...piece);
      }
      expect(isWhole).toBe(true);
      const { checksum: sum, digest, failure } = writer.finish();
      expect(failure).toBeUndefined();
      const hex = [sum, digest ?? []].map((bytes) => Buffer.from(bytes).toString("hex"));
      return { content: readFileSync(path), blocks: statSync(path).blocks, hex };
    } finally {
      closeSync(basis);
      closeSync(fd);
    }
  }

  it("writes what comes from another file, wherever it lies there", () => {
    const [path, other] = [join(folder, "over"), join(folder, "other")];
    writeFileSync(path, "");
    writeFileSync(other, "the same place");
    const [fd, basis] = [openSync(path, "r+"), openSync(other, "r")];
    const writer = new FileWriter(checksum, { sparse: false, contentDigest: undefined });
    writer.begin(fd, { from: 0, isBasis: false });
    expect(writer.copy(basis, 0, 14)).toBe(true);
    expect(writer.finish().failure).toBeUndefined();
    for (const each of [fd, basis]) closeSync(each);
    expect(readFileSync(path, "utf8")).toBe("the same place");
  });

  it("leaves what lies right, moves what lies behind, and cuts off the rest", () => {
    const old = Buffer.from(Array.from({ length: 700_000 }, (_, i) => (i * 31) % 251));
    const literal = Buffer.alloc(100_000, "x");
    for (const sparse of [false, true]) {
      const pieces = [[0, 300_000], literal, [400_000, 200_000], Buffer.from("end")] as const;
      const { content, hex } = writeOver(
        old,
        pieces.map((piece) => (Buffer.isBuffer(piece) ? piece : [piece[0], piece[1]])),
        sparse,
      );
      const wanted = Buffer.concat([
        old.subarray(0, 300_000),
        literal,
        old.subarray(400_000, 600_000),
        Buffer.from("end"),
      ]);
      expect(content.equals(wanted)).toBe(true);
      expect(hex).toEqual([hash("md5", wanted), hash("sha256", wanted)]);
    }
  });

  it("makes holes of zeros, of those that were there and of those that are new", () => {
    const old = Buffer.concat([Buffer.alloc(1_000_000), Buffer.alloc(1_000_000, "old")]);
    const pieces = [[0, 1_000_000] as [number, number], Buffer.alloc(1_500_000)];
    const dense = writeOver(old, pieces, false);
    const sparse = writeOver(old, pieces, true);
    expect(sparse.content.equals(Buffer.alloc(2_500_000))).toBe(true);
    expect(dense.content.equals(sparse.content)).toBe(true);
    expect(sparse.blocks).toBeLessThan(dense.blocks / 10);
  });

  it("keeps the beginning of a file that is appended to", () => {
    const { content } = writeOver(
      Buffer.from("beginning, and what is cut off"),
      [Buffer.from("end")],
      false,
      9,
    );
    expect(content.toString()).toBe("beginningend");
  });
});
