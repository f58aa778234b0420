import type { CompressionName } from "@dialhome/rsync-protocol";
import type { HostileCase } from "./hostile-case.ts";
import { WITH_BASIS } from "./hostile-replies.ts";
import { ROOT, type ScriptedSender } from "./scripted-sender.ts";

/** A {@link HostileCase} in a session with compression. */
export interface HostileCompression extends HostileCase {
  readonly choice: CompressionName;
}

const GARBAGE = { code: "ERR_RSYNC_PROTOCOL", exitCode: 12 } as const;
const VIOLATION = { code: "ERR_RSYNC_PROTOCOL", exitCode: 2 } as const;

/** A packet of compressed data. */
export function packet(data: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0x40 | (data.length >> 8), data.length & 0xff]), data]);
}

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

/** Answers the first request with these tokens. */
const tokens =
  (...bytes: readonly Buffer[]) =>
  async (sender: ScriptedSender): Promise<void> => {
    sender.list(ROOT, { name: "a", size: 3 });
    sender.head(await sender.request());
    for (const each of bytes) sender.out.bytes(each);
    sender.wire.flush();
    await sender.hear();
  };

/** A frame of zstd with these bytes behind its magic number. */
const zstd = (text: string): Buffer => packet(Buffer.concat([hex("28b52ffd"), hex(text)]));

export const HOSTILE_COMPRESSIONS: readonly HostileCompression[] = [
  // What leads tokens.
  ...(["zstd", "lz4", "zlibx", "zlib"] as const).flatMap((choice): HostileCompression[] => [
    {
      choice,
      title: `${choice}: a token that there is not`,
      ...GARBAGE,
      message: /token that begins with 0x1/,
      script: tokens(hex("01")),
    },
    {
      choice,
      title: `${choice}: a block of a file that has none`,
      ...VIOLATION,
      message: /block 0 of 0/,
      script: tokens(hex("80")),
    },
    {
      choice,
      title: `${choice}: the longest run of blocks behind the last`,
      ...VIOLATION,
      ...WITH_BASIS,
      message: /block 8 of 8/,
      script: tokens(hex("c0 ffff")),
    },
    {
      choice,
      title: `${choice}: the last block number of all, and one more`,
      ...VIOLATION,
      ...WITH_BASIS,
      message: /block 2147483647/,
      script: tokens(hex("21 ffffff7f ffff")),
    },
    {
      choice,
      title: `${choice}: a negative block`,
      ...VIOLATION,
      message: /block -1/,
      script: tokens(hex("20 ffffffff")),
    },
  ]),
  // Frames of zstd.
  {
    choice: "zstd",
    title: "zstd: no frame",
    ...GARBAGE,
    message: /magic number/,
    script: tokens(packet(Buffer.from("this is no frame"))),
  },
  {
    choice: "zstd",
    title: "zstd: a window of 4 TiB",
    ...GARBAGE,
    message: /a window of \d+ bytes, limit 134217728/,
    script: tokens(zstd("00 ff 00"), packet(Buffer.alloc(100))),
  },
  {
    choice: "zstd",
    title: "zstd: a content of 2^64 bytes in one piece",
    ...GARBAGE,
    message: /a window of \d+ bytes/,
    script: tokens(zstd("e0 ffffffffffffffff"), packet(Buffer.alloc(100))),
  },
  {
    choice: "zstd",
    title: "zstd: a block beyond the largest",
    ...GARBAGE,
    message: /a block of 2097151 bytes/,
    script: tokens(zstd("00 58 fcffff"), packet(Buffer.alloc(100))),
  },
  {
    choice: "zstd",
    title: "zstd: a block of the reserved kind",
    ...GARBAGE,
    message: /reserved kind/,
    script: tokens(zstd("00 58 070000"), packet(Buffer.alloc(100))),
  },
  {
    choice: "zstd",
    title: "zstd: a dictionary",
    ...GARBAGE,
    message: /a dictionary/,
    script: tokens(zstd("03 58 01020304 010000"), packet(Buffer.alloc(100))),
  },
  {
    choice: "zstd",
    title: "zstd: a compressed block of garbage",
    ...GARBAGE,
    message: /zstd|compressed/i,
    script: tokens(zstd(`00 58 850200 ${"ff".repeat(80)}`), packet(Buffer.alloc(100))),
  },
  // Blocks of LZ4.
  {
    choice: "lz4",
    title: "lz4: lengths without end",
    ...GARBAGE,
    message: /LZ4 block ends early/,
    script: tokens(packet(Buffer.alloc(16_000, 0xff))),
  },
  {
    choice: "lz4",
    title: "lz4: a match of a megabyte",
    ...GARBAGE,
    message: /LZ4 block is too large/,
    script: tokens(
      packet(Buffer.concat([hex("1f 61 0100"), Buffer.alloc(4_000, 0xff), hex("00 00")])),
    ),
  },
  {
    choice: "lz4",
    title: "lz4: a match of what is not there",
    ...GARBAGE,
    message: /refers to what is not there/,
    script: tokens(packet(hex("10 61 ffff 50 6161616161"))),
  },
  // Deflate.
  ...(["zlibx", "zlib"] as const).flatMap((choice): HostileCompression[] => [
    {
      choice,
      title: `${choice}: a block of the reserved kind`,
      ...GARBAGE,
      message: /deflate/,
      script: tokens(packet(hex("06ffffff"))),
    },
    {
      choice,
      title: `${choice}: a distance before the beginning`,
      ...GARBAGE,
      message: /deflate/,
      // One fixed block: a match of length 3 at distance 1, with nothing before it.
      script: tokens(packet(hex("02020000"))),
    },
    {
      choice,
      title: `${choice}: a stored block whose length is not its own`,
      ...GARBAGE,
      message: /deflate/,
      script: tokens(packet(hex("00 0500 0500 6161616161"))),
    },
    {
      choice,
      title: `${choice}: the end of the stream`,
      ...GARBAGE,
      message: /deflate/,
      script: tokens(packet(hex("01 0100 feff 61")), hex("00")),
    },
  ]),
];
