import type { SeededRandom } from "../support/random.ts";

/** No input grows beyond this, in bytes. */
const MOST_BYTES = 64 * 1024;

/** Bytes at which numbers of rsync's wire turn over. */
const EDGES: readonly string[] = [
  "00",
  "ff",
  "7f",
  "80",
  "fe",
  "f0ffffffff",
  "f0ffffff7f",
  "ffffffff",
  "ffffff7f",
  "00000080",
  "01000000",
  "f8ffffffffffffff7f",
  "fe80000000",
  "0a",
  "2f",
  "2e2e2f",
];

type Mutation = (
  input: Buffer,
  random: SeededRandom,
  others: readonly Buffer[],
  words: readonly Buffer[],
) => Buffer;

const splice = (input: Buffer, at: number, drop: number, insert: Buffer): Buffer =>
  Buffer.concat([input.subarray(0, at), insert, input.subarray(at + drop)]);

const MUTATIONS: readonly Mutation[] = [
  // A bit, a byte, a number at an edge.
  (input, random) => {
    const copy = Buffer.from(input);
    const at = random.below(Math.max(1, copy.length));
    copy[at] = (copy[at] ?? 0) ^ (1 << random.below(8));
    return copy;
  },
  (input, random) => {
    const copy = Buffer.from(input);
    copy[random.below(Math.max(1, copy.length))] = random.below(256);
    return copy;
  },
  (input, random) => {
    const edge = Buffer.from(random.pick(EDGES), "hex");
    const at = random.below(input.length + 1);
    return splice(input, at, random.below(2) === 0 ? edge.length : 0, edge);
  },
  // Pieces: dropped, doubled, new, from another input, from the dictionary.
  (input, random) => {
    const at = random.below(input.length + 1);
    return splice(input, at, 1 + random.below(16), Buffer.alloc(0));
  },
  (input, random) => {
    const from = random.below(input.length + 1);
    const piece = input.subarray(from, from + 1 + random.below(64));
    return splice(input, random.below(input.length + 1), 0, piece);
  },
  (input, random) =>
    splice(input, random.below(input.length + 1), 0, random.bytes(1 + random.below(8))),
  (input, random, others) => {
    const other = random.pick(others);
    const from = random.below(other.length + 1);
    const piece = other.subarray(from, from + 1 + random.below(128));
    return splice(input, random.below(input.length + 1), random.below(piece.length + 1), piece);
  },
  (input, random, _others, words) => {
    const word = random.pick(words);
    const drop = random.below(2) === 0 ? word.length : 0;
    return splice(input, random.below(input.length + 1), drop, word);
  },
  // The end.
  (input, random) => input.subarray(0, random.below(input.length + 1)),
];

/** A new input from an old one. */
export function mutate(
  input: Buffer,
  random: SeededRandom,
  others: readonly Buffer[],
  words: readonly Buffer[],
): Buffer {
  let mutated = input;
  for (let times = 1 + random.below(4); times > 0; times--) {
    const usable = words.length > 0 ? MUTATIONS : MUTATIONS.toSpliced(7, 1);
    mutated = random.pick(usable)(mutated, random, others, words);
  }
  return mutated.subarray(0, MOST_BYTES);
}
