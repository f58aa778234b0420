import { readFileSync } from "node:fs";
import {
  ByteReader,
  ByteWriter,
  type CompressionName,
  compressionAt,
  createTokenReader,
  createTokenWriter,
  RsyncError,
  type TokenReader,
} from "@dialhome/rsync-protocol";
import { seededRandom } from "../../support/random.ts";
import type { FuzzTarget } from "../target.ts";

/** No piece of output is larger, in bytes. */
const MOST_PIECE_BYTES = 128 * 1024;
/** A bomb is not followed any further, in bytes of output. */
const MOST_OUTPUT_BYTES = 32 * 1024 * 1024;
/** Every so many bytes of the output one is looked at. */
const SAMPLE_BYTES = 13;
const BLOCK = Buffer.from("what the receiver has already, ".repeat(30));

const RECORDED = new URL(
  "../../../packages/rsync-protocol/test/fixtures/transcripts/",
  import.meta.url,
);

/** What our own writer makes of a file of every kind of content. */
async function written(name: CompressionName, protocol: number, level?: number): Promise<Buffer> {
  const tokens = await createTokenWriter(compressionAt(name, level), protocol);
  const out = new ByteWriter();
  const text = Buffer.from(Array.from({ length: 600 }, (_, n) => `${n * n} of ${n},`).join(""));
  const noise = seededRandom(name).bytes(3_000);
  for (const pieces of [
    [text, 3, 4, 900, noise, 5, text],
    [Buffer.alloc(200_000), noise],
    [1, 2],
  ]) {
    for (const piece of pieces) {
      if (typeof piece === "number") tokens.block(out, piece, BLOCK, 0, BLOCK.length);
      else tokens.literal(out, piece);
    }
    tokens.end(out);
  }
  return out.take();
}

/** The tokens that the real rsync sent, wherever in its recorded session they begin. */
function recorded(transcript: string): Buffer[] {
  const bytes = readFileSync(new URL(`${transcript}.s2c.bin`, RECORDED));
  const seeds: Buffer[] = [];
  for (let at = bytes.indexOf(0x40); at >= 0 && seeds.length < 40; at = bytes.indexOf(0x40, at + 1))
    seeds.push(bytes.subarray(at, at + 4_096));
  return seeds;
}

interface Heard {
  /** Tokens and sums of what they hold, as far as they are the same however the bytes are cut. */
  readonly told: string;
  readonly isCut: boolean;
}

function hear(tokens: TokenReader, input: Buffer, cut: number): Heard {
  const reader = new ByteReader();
  const told: (string | number)[] = [];
  let output = 0;
  let sum = 0;
  try {
    for (let at = 0; at < input.length; at += cut) {
      reader.push(input.subarray(at, at + cut));
      for (let token = tokens.read(reader); token; token = tokens.read(reader)) {
        if (token.is === "literal") {
          if (token.data.length > MOST_PIECE_BYTES || token.data.length === 0)
            throw new Error(`a piece of ${token.data.length} bytes`);
          const first = SAMPLE_BYTES - 1 - ((output + SAMPLE_BYTES - 1) % SAMPLE_BYTES);
          for (let i = first; i < token.data.length; i += SAMPLE_BYTES)
            sum = (sum * 31 + token.data[i]!) | 0;
          output += token.data.length;
          if (output > MOST_OUTPUT_BYTES) return { told: "", isCut: true };
          continue;
        }
        told.push(token.is === "block" ? token.index : `${output}`);
        if (told.length > 100_000) return { told: "", isCut: true };
        if (token.is === "block" && tokens.needsBlocks) tokens.matched(BLOCK);
      }
    }
  } catch (error) {
    if (!(error instanceof RsyncError)) throw error;
    told.push(`${error.exitCode} ${error.message}`);
  }
  return { told: `${told.join()} ${output} ${sum}`, isCut: false };
}

function target(name: CompressionName, protocol: number, transcript?: string): FuzzTarget {
  return {
    name: protocol === 32 ? `tokens-${name}` : `tokens-${name}-${protocol}`,
    limitMs: 4_000,
    seeds: async () => [
      await written(name, protocol),
      ...(name === "zstd" ? [await written(name, protocol, 19)] : []),
      ...(transcript === undefined ? [] : recorded(transcript)),
    ],
    dictionary: [
      "\x28\xb5\x2f\xfd",
      "\x50\x2a\x4d\x18",
      "\x28\xb5\x2f\xfd\xe0",
      "\x7f\xff",
      "\xe1\xff\xff",
      "\x21\0\0\0\0\xff\xff",
      "\0\0\xff\xff",
    ],
    run: async (input) => {
      const whole = hear(await createTokenReader(name, protocol), input, Infinity);
      const pieces = hear(await createTokenReader(name, protocol), input, 7);
      if (!whole.isCut && !pieces.isCut && whole.told !== pieces.told) {
        throw new Error(`the result depends on how it was cut: ${whole.told} or ${pieces.told}`);
      }
    },
  };
}

/** The readers of compressed tokens; zlib's history was another before protocol 31. */
export const compressed: readonly FuzzTarget[] = [
  target("zstd", 32, "delta-zstd-32"),
  target("lz4", 32),
  target("zlibx", 32, "delta-zlibx-32"),
  target("zlib", 32, "delta-zlib-32"),
  target("zlib", 30),
];
