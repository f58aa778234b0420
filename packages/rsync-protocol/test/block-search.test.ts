import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { BlockSearch, type SearchSink } from "../src/block-search.ts";
import type { BlockSums } from "../src/block-table.ts";
import { signedView, weakSum } from "../src/rolling-sum.ts";
import { type Checksum, createChecksum } from "../src/strong-sum.ts";
import {
  blockLengthAt,
  blockOffsetAt,
  chooseSumHeader,
  type SumHeader,
} from "../src/sum-header.ts";

const checksum = await createChecksum("xxh128", { seed: 77 });

function sumsOf(basis: Uint8Array, header: SumHeader, by: Checksum): BlockSums {
  const weak = new Int32Array(header.count);
  const strong = new Uint8Array(header.count * header.strongLength);
  for (let i = 0; i < header.count; i++) {
    const start = blockOffsetAt(header, i);
    const length = blockLengthAt(header, i);
    weak[i] = weakSum(signedView(basis), start, length);
    strong.set(
      by.block(basis, start, length).subarray(0, header.strongLength),
      i * header.strongLength,
    );
  }
  return { header, weak, strong };
}

interface Found {
  readonly rebuilt: Buffer;
  readonly literal: number;
  readonly matches: number[];
}

function search(
  basis: Uint8Array,
  file: Uint8Array,
  blockLength?: number,
  options: { step?: number; readAtMost?: number; inPlace?: boolean; search?: BlockSearch } = {},
): Found {
  const header = chooseSumHeader(basis.length, {
    digestLength: 16,
    ...(blockLength === undefined ? {} : { blockLength }),
  });
  const parts: Uint8Array[] = [];
  const found = { literal: 0, matches: [] as number[] };
  const sink: SearchSink = {
    literal: (data, start, end) => {
      parts.push(data.slice(start, end));
      found.literal += end - start;
    },
    match: (index) => {
      const start = blockOffsetAt(header, index);
      parts.push(basis.subarray(start, start + blockLengthAt(header, index)));
      found.matches.push(index);
    },
  };
  let at = 0;
  const source = {
    read: (target: Uint8Array, start: number, length: number): number => {
      const part = file.subarray(at, at + Math.min(length, options.readAtMost ?? length));
      target.set(part, start);
      at += part.length;
      return part.length;
    },
  };
  const it = options.search ?? new BlockSearch(checksum);
  it.begin(sumsOf(basis, header, checksum), source, sink, options.inPlace);
  while (!it.step(options.step ?? 1 << 20));
  return { ...found, rebuilt: Buffer.concat(parts) };
}

/** Bytes that do not repeat themselves. */
function noise(length: number, seed: number): Buffer {
  const bytes = Buffer.alloc(length);
  let x = seed | 1;
  for (let i = 0; i < length; i++) {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    bytes[i] = x;
  }
  return bytes;
}

const basis = noise(300_123, 5);

describe("a delta", () => {
  test("of an unchanged file has no literal bytes", () => {
    const { literal, matches } = search(basis, basis);
    expect(literal).toBe(0);
    expect(matches).toEqual(matches.map((_, i) => i));
  });

  test("of bytes put in front, appended, inserted, cut off costs little more than they are", () => {
    const block = chooseSumHeader(basis.length, { digestLength: 16 }).blockLength;
    const more = noise(1000, 9);
    const cases: [string, Buffer, number][] = [
      ["in front", Buffer.concat([more, basis]), 1000],
      // The old short last block is not at the end any more.
      ["appended", Buffer.concat([basis, more]), 1000 + block],
      [
        "inserted",
        Buffer.concat([basis.subarray(0, 70_001), more, basis.subarray(70_001)]),
        1000 + block,
      ],
      ["cut off", basis.subarray(0, 150_000), block],
      ["front gone", basis.subarray(12_345), block],
    ];
    for (const [name, file, most] of cases) {
      const { literal, rebuilt } = search(basis, file);
      expect([name, rebuilt.equals(file), literal <= most]).toEqual([name, true, true]);
    }
  });

  test("is the same however the work and the reads are cut", () => {
    const file = Buffer.concat([noise(10, 3), basis.subarray(0, 100_000), basis.subarray(99_000)]);
    const whole = search(basis, file);
    const cut = search(basis, file, undefined, { step: 1, readAtMost: 997 });
    expect(cut.matches).toEqual(whole.matches);
    expect(cut.literal).toBe(whole.literal);
    expect(cut.rebuilt.equals(file)).toBe(true);
  });

  test("uses one search for file after file", () => {
    const it = new BlockSearch(checksum);
    for (const length of [300_000, 700, 1, 90_000, 699, 701]) {
      const old = noise(length, length);
      const file = Buffer.concat([old.subarray(length >> 1), old]);
      const { rebuilt, literal } = search(old, file, undefined, { search: it });
      expect(rebuilt.equals(file)).toBe(true);
      expect(literal).toBeLessThan(file.length);
    }
  });

  test("that is applied in place uses no block that has been overwritten", () => {
    const file = Buffer.concat([noise(3000, 3), basis]);
    const inPlace = search(basis, file, undefined, { inPlace: true });
    expect(inPlace.rebuilt.equals(file)).toBe(true);
    expect(inPlace.matches).toEqual([]);
    const moved = search(basis, basis.subarray(7000), undefined, { inPlace: true });
    expect(moved.literal).toBeLessThan(700);
  });

  test("with a hundred thousand equal weak sums ends", () => {
    // All zeros against zeros with other strong sums: every offset meets the whole chain.
    const header = chooseSumHeader(8 * 100_000, { digestLength: 16, blockLength: 8, redo: true });
    const sums: BlockSums = {
      header,
      weak: new Int32Array(header.count),
      strong: new Uint8Array(header.count * 16).fill(1),
    };
    let left = 20_000;
    let literal = 0;
    const it = new BlockSearch(checksum);
    it.begin(
      sums,
      {
        read: (target, start, length) => {
          const got = Math.min(left, length);
          target.fill(0, start, start + got);
          left -= got;
          return got;
        },
      },
      {
        literal: (_data, start, end) => void (literal += end - start),
        match: () => expect.unreachable(),
      },
    );
    while (!it.step(1 << 16));
    expect(literal).toBe(20_000);
  });

  test("rebuilds any file from any basis, never with more literal bytes than a plain greedy search", () => {
    // Few distinct bytes, so that blocks repeat and chains form.
    const bytes = fc.uint8Array({ max: 3, maxLength: 400 });
    fc.assert(
      fc.property(
        bytes,
        bytes,
        fc.integer({ min: 1, max: 40 }),
        fc.integer({ min: 1, max: 900 }),
        (old, fresh, block, step) => {
          if (old.length === 0) return;
          const file = Buffer.concat([fresh.subarray(0, fresh.length >> 1), old, fresh]);
          const { rebuilt, literal } = search(old, file, block, { step });
          expect(rebuilt.equals(file)).toBe(true);
          expect(literal).toBe(greedyLiteral(Buffer.from(old), file, block));
        },
      ),
    );
  });
});

/** The same by brute force, with strings for sums. */
function greedyLiteral(old: Buffer, file: Buffer, block: number): number {
  const blocks = new Set<string>();
  const full = Math.floor(old.length / block);
  for (let i = 0; i < full; i++) blocks.add(old.toString("latin1", i * block, (i + 1) * block));
  const tail = old.toString("latin1", full * block);
  let literal = 0;
  for (let at = 0; at < file.length; ) {
    if (at + block <= file.length && blocks.has(file.toString("latin1", at, at + block)))
      at += block;
    else if (
      tail !== "" &&
      at + tail.length === file.length &&
      file.toString("latin1", at) === tail
    )
      return literal;
    else {
      at++;
      literal++;
    }
  }
  return literal;
}
