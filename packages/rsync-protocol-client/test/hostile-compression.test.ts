import { createHash } from "node:crypto";
import { duplexPair } from "node:stream";
import { constants, deflateRawSync } from "node:zlib";
import { type ByteWriter, COMPAT, Wire, writeNames } from "@dialhome/rsync-protocol";
import { describe, expect, it } from "vitest";
import { pull } from "../src/index.ts";
import { HOSTILE_COMPRESSIONS, packet } from "./support/hostile-compression.ts";
import { WITH_BASIS } from "./support/hostile-replies.ts";
import { ROOT, runSession } from "./support/scripted-sender.ts";

const MIB = 1 << 20;
const LARGE: number = 16 * MIB;
/** Longest packet of compressed data. */
const PACKET_BYTES = 16_383;

/** So many zeros as deflate has them, without the end of the stream and the mark of its flush. */
function deflated(length: number): Buffer {
  return deflateRawSync(Buffer.alloc(length), { finishFlush: constants.Z_SYNC_FLUSH }).subarray(
    0,
    -4,
  );
}

/** The same as one frame of zstd: a head, and blocks of 128 KiB in four bytes each. */
function zeros(length: number): Buffer {
  const blocks = length / (128 * 1024);
  // A block of the kind RLE: its size, in three bytes with two of kind and the last's mark, and the byte.
  const block = Buffer.from([0x02, 0x00, 0x10, 0x00]);
  return Buffer.concat([
    Buffer.from("28b52ffd0038", "hex"),
    ...Array.from({ length: blocks }, () => block),
  ]);
}

function bufferBytes(): number {
  return process.memoryUsage().arrayBuffers;
}

describe("a sender that compresses", () => {
  it.each(HOSTILE_COMPRESSIONS.map((one) => [one.title, one] as const))(
    "is refused: %s",
    async (_title, { script, choice, code, exitCode, message, ...options }) => {
      const end = await runSession(script, { ...options, pull: { compressChoice: choice } });
      expect(end.error).toMatchObject({ code, exitCode });
      expect(String(end.error)).toMatch(message);
      expect([...end.outside]).toEqual([["outside", "untouched"]]);
      expect([...end.files.keys()].filter((name) => name !== "a")).toEqual([]);
    },
  );

  it.each(["zlibx", "zlib"] as const)(
    "%s: names a block in the middle of a stored block, which only makes the file wrong",
    async (choice) => {
      const end = await runSession(
        async (s) => {
          s.list(ROOT, { name: "a", size: 3 });
          s.file = (request) => {
            s.head(request);
            s.out.bytes(packet(Buffer.from("0064009bff6161", "hex")));
            s.out.byte(0x80);
            s.out.bytes(packet(Buffer.from("ffffff", "hex")));
            s.out.byte(0);
            s.out.bytes(Buffer.alloc(16));
            s.wire.flush();
          };
          await s.serve(31, () => ({ data: Buffer.alloc(0) }));
        },
        { ...WITH_BASIS, pull: { compressChoice: choice } },
      );
      expect(end.summary?.exitCode ?? end.error).toBe(23);
      expect(end.files.get("a")).toBe("x".repeat(5_000));
    },
  );

  it.each([
    ["zlibx", deflated(LARGE)],
    ["zlib", deflated(LARGE)],
    ["zstd", zeros(LARGE)],
  ] as const)("%s: makes much of little, which takes no memory", async (choice, data) => {
    expect(data.length).toBeLessThan(64 * 1024);
    const sum = createHash("md5").update(Buffer.alloc(LARGE)).digest();
    let most = 0;
    globalThis.gc?.(); // what others have left is not to count against it
    const before = bufferBytes();
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "a", size: 3 });
        s.head(await s.request());
        for (let at = 0; at < data.length; at += PACKET_BYTES)
          s.out.bytes(packet(data.subarray(at, at + PACKET_BYTES)));
        s.out.byte(0);
        s.out.bytes(sum);
        s.wire.flush();
        await s.serve(31, () => ({ data: Buffer.alloc(0) }));
      },
      {
        pull: {
          compressChoice: choice,
          sparse: true,
          onProgress: () => {
            most = Math.max(most, bufferBytes() - before);
          },
        },
      },
    );
    expect(end.summary?.literalBytes ?? end.error).toBe(LARGE);
    expect(most).toBeLessThan(12 * MIB);
  });

  it("zstd: makes gigabytes of one packet, and can be stopped", async () => {
    const stop = new AbortController();
    const started = performance.now();
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "a", size: 3 });
        s.head(await s.request());
        // 64 times half a gigabyte.
        const data = zeros(511 * MIB);
        s.out.bytes(packet(data));
        for (let n = 0; n < 64; n++) s.out.bytes(packet(data.subarray(6)));
        s.wire.flush();
        setTimeout(() => stop.abort(), 30);
        await s.hear();
      },
      { pull: { compressChoice: "zstd", sparse: true, signal: stop.signal } },
    );
    expect(end.error).toMatchObject({ code: "ERR_RSYNC_ABORTED" });
    expect(performance.now() - started).toBeLessThan(5_000);
  });
});

describe("names of compression types from a server", () => {
  /** A server that says this before its first frame, and nothing else. */
  async function refusal(names: (out: ByteWriter) => void): Promise<unknown> {
    const [near, far] = duplexPair();
    const wire = new Wire(far);
    wire.out.int(31);
    wire.out.varint(COMPAT.VARINT_FLIST_FLAGS);
    writeNames(wire.out, ["md5"]);
    names(wire.out);
    wire.flush();
    far.resume();
    try {
      await pull({
        stream: near,
        source: { kind: "server" },
        destination: "/nonexistent/never made",
        compress: true,
      });
      return undefined;
    } catch (error) {
      return error;
    } finally {
      wire.release();
      near.destroy();
      far.destroy();
    }
  }

  it.each<[string, (out: ByteWriter) => void, string]>([
    ["none at all", (out) => writeNames(out, []), "ERR_RSYNC_INCOMPATIBLE"],
    ["unknown ones", (out) => writeNames(out, ["snappy", "zst"]), "ERR_RSYNC_INCOMPATIBLE"],
    ["only blanks", (out) => out.vstring(" ".repeat(200)), "ERR_RSYNC_INCOMPATIBLE"],
    [
      "names of objects",
      (out) => writeNames(out, ["__proto__", "toString"]),
      "ERR_RSYNC_INCOMPATIBLE",
    ],
    ["very many", (out) => out.vstring("zstdx ".repeat(5_000)), "ERR_RSYNC_LIMIT"],
    ["the longest string of all", (out) => out.bytes(Buffer.from([0xff, 0xff])), "ERR_RSYNC_LIMIT"],
  ])("%s are refused with exit code 4", async (_what, names, code) => {
    expect(await refusal(names)).toMatchObject({ code, exitCode: 4 });
  });
});
