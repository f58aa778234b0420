import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { CompressedTokenWriter } from "../src/compressed-tokens.ts";
import {
  ByteReader,
  ByteWriter,
  type CompressionName,
  compressionAt,
  createTokenReader,
  createTokenWriter,
  RsyncError,
  type TokenReader,
} from "../src/index.ts";

const NAMES = ["zstd", "lz4", "zlibx", "zlib"] as const;
const BLOCK_BYTES = 700;
/** A piece of output is never larger, whatever comes in. */
const MAX_PIECE_BYTES = 128 * 1024;

/** What a receiver has: text, of which the literals below repeat parts. */
const BASIS = Buffer.from(
  Array.from({ length: 2_000 }, (_, n) => `line ${n} of ${n * n}, and ${n % 7}\n`).join(""),
);
const BLOCKS = Math.floor(BASIS.length / BLOCK_BYTES);
const blockAt = (index: number): Buffer =>
  BASIS.subarray(index * BLOCK_BYTES, (index + 1) * BLOCK_BYTES);

type Piece = Buffer | number;

/** The tokens of files, as they are read from `chunks`; literals put together. */
function readAll(tokens: TokenReader, chunks: readonly Buffer[]): Piece[][] {
  const reader = new ByteReader();
  const files: Piece[][] = [];
  let pieces: Piece[] = [];
  let literals: Buffer[] = [];
  const join = (): void => {
    if (literals.length > 0) pieces.push(Buffer.concat(literals));
    literals = [];
  };
  for (const chunk of chunks) {
    reader.push(chunk);
    for (let token = tokens.read(reader); token; token = tokens.read(reader)) {
      if (token.is === "end") {
        join();
        files.push(pieces);
        pieces = [];
      } else if (token.is === "block") {
        join();
        pieces.push(token.index);
        // A hostile sender may name any.
        if (tokens.needsBlocks) tokens.matched(blockAt(token.index % BLOCKS));
      } else {
        if (token.data.length > MAX_PIECE_BYTES)
          throw new Error(`${token.data.length} bytes at once`);
        literals.push(Buffer.from(token.data));
      }
    }
  }
  return files;
}

async function write(
  name: CompressionName,
  files: readonly (readonly Piece[])[],
  { protocol = 32, level }: { readonly protocol?: number; readonly level?: number } = {},
): Promise<Buffer> {
  const tokens = await createTokenWriter(compressionAt(name, level), protocol);
  const out = new ByteWriter();
  for (const pieces of files) {
    for (const piece of pieces) {
      if (typeof piece !== "number") tokens.literal(out, piece);
      else tokens.block(out, piece, BASIS, piece * BLOCK_BYTES, (piece + 1) * BLOCK_BYTES);
    }
    tokens.end(out);
  }
  return out.take();
}

/** Literals that follow each other are one. */
function joined(pieces: readonly Piece[]): Piece[] {
  const result: Piece[] = [];
  for (const piece of pieces) {
    const last = result.at(-1);
    if (typeof piece !== "number" && Buffer.isBuffer(last)) {
      result[result.length - 1] = Buffer.concat([last, piece]);
    } else result.push(piece);
  }
  return result;
}

/** Whether the pieces are equal, without the cost of an assertion for each. */
function same(read: readonly Piece[][], wanted: readonly Piece[][]): boolean {
  return (
    read.length === wanted.length &&
    read.every((pieces, file) => {
      const others = wanted[file] ?? [];
      return (
        pieces.length === others.length &&
        pieces.every((piece, at) => {
          const other = others[at];
          if (typeof piece === "number") return piece === other;
          return Buffer.isBuffer(other) && piece.equals(other);
        })
      );
    })
  );
}

/** 0 for what goes well; anything thrown that is not of ours goes on. */
function exitCodeOf(attempt: () => void): number {
  try {
    attempt();
    return 0;
  } catch (error) {
    if (error instanceof RsyncError) return error.exitCode;
    throw error;
  }
}

const literal: fc.Arbitrary<Buffer> = fc.oneof(
  fc.uint8Array({ minLength: 1, maxLength: 2_000 }).map((bytes) => Buffer.from(bytes)),
  fc
    .tuple(fc.nat(BASIS.length - 2), fc.integer({ min: 1, max: 30_000 }))
    .map(([start, length]) => BASIS.subarray(start, start + length)),
  fc
    .tuple(fc.nat(255), fc.integer({ min: 1, max: 140_000 }))
    .map(([byte, length]) => Buffer.alloc(length, byte)),
);
const file = fc.array(fc.oneof(literal, fc.nat(BLOCKS - 1)), { maxLength: 12 });
const files = fc.array(file, { maxLength: 4 });

describe.each(NAMES)("tokens compressed with %s", (name) => {
  it.each([
    [32, undefined],
    [30, 1],
    [32, 19],
  ])(
    "are read as they were written, cut anywhere (protocol %i, level %s)",
    async (protocol, level) => {
      await fc.assert(
        fc.asyncProperty(files, fc.integer({ min: 1, max: 40_000 }), async (given, cut) => {
          const bytes = await write(name, given, {
            protocol,
            ...(level === undefined ? {} : { level }),
          });
          const chunks: Buffer[] = [];
          for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
          const read = readAll(await createTokenReader(name, protocol), chunks);
          expect(same(read, given.map(joined))).toBe(true);
        }),
        { numRuns: 12 },
      );
    },
  );

  it("whatever comes, it is tokens or an error of ours", async () => {
    const sample = await write(name, [
      [BASIS.subarray(0, 20_000), 3, 4, 5, BASIS.subarray(1_000, 9_000), 90, Buffer.from("x")],
      [1, BASIS.subarray(30_000, 50_000)],
    ]);
    const mutated = fc
      .array(fc.tuple(fc.nat(sample.length - 1), fc.nat(255)), { minLength: 1, maxLength: 6 })
      .map((edits) => {
        const bytes = Buffer.from(sample);
        for (const [at, value] of edits) bytes[at] = value;
        return bytes;
      });
    const packets = fc
      .uint8Array({ minLength: 1, maxLength: 300 })
      .map((data) =>
        Buffer.concat([Buffer.from([0x40, data.length & 0xff]), data, Buffer.from([0])]),
      );
    const noise = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
    await fc.assert(
      fc.asyncProperty(fc.oneof(mutated, packets, noise), async (bytes) => {
        const tokens = await createTokenReader(name, 32);
        expect([0, 2, 12]).toContain(exitCodeOf(() => readAll(tokens, [bytes])));
      }),
      { numRuns: 100 },
    );
  });

  it("repetition makes them short", async () => {
    const bytes = await write(name, [[BASIS, BASIS.subarray(500)]]);
    expect(bytes.length).toBeLessThan(BASIS.length);
  });
});

describe("what leads compressed tokens", () => {
  const encode = (runs: readonly number[]): string => {
    const writer = new CompressedTokenWriter({ add: () => {}, flush: () => {}, reset: () => {} });
    const out = new ByteWriter();
    for (const index of runs) writer.block(out, index, BASIS, 0, 0);
    writer.end(out);
    return out.take().toString("hex");
  };

  // token.c of rsync: a run is named by its distance from the last block named, if it is small.
  it.each([
    [[0], "8000"],
    [[0, 1, 2], "c0020000"],
    [[2, 3, 4, 10], "c202008600"],
    [[63, 62], "bf203e00000000"],
    [[64], "204000000000"],
    [[100, 101], "2164000000010000"],
  ])("blocks %j", (runs, hex) => {
    expect(encode(runs)).toBe(hex);
  });

  it("a run has at most 65,536 blocks", async () => {
    const bytes = Buffer.from(encode(Array.from({ length: 65_537 }, (_, n) => n)), "hex");
    // The second begins one behind the first's end.
    expect(bytes.toString("hex")).toBe("c0ffff8100");
    const reader = await createTokenReader("lz4", 32);
    expect(readAll(reader, [bytes])[0]).toHaveLength(65_537);
  });

  it.each(["01", "1f", "22", "3f"])("0x%s is refused", async (hex) => {
    const tokens = await createTokenReader("zlibx", 32);
    expect(() => readAll(tokens, [Buffer.from(hex, "hex")])).toThrow(RsyncError);
  });

  it("a negative block is refused", async () => {
    const tokens = await createTokenReader("zlibx", 32);
    expect(() => readAll(tokens, [Buffer.from("20ffffffff", "hex")])).toThrow("block -1");
  });
});
