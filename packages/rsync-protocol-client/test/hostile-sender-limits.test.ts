import { ByteWriter, encodeFrame, RsyncError, TAG, XMIT } from "@dialhome/rsync-protocol";
import { describe, expect, it, vi } from "vitest";
import {
  DIRECTORY,
  FILE,
  ROOT,
  runSession,
  type ScriptedSender,
  SYMLINK,
} from "./support/scripted-sender.ts";

const MIB = 1 << 20;

/** Goes on for as long as the client takes it, which must not be for ever. */
async function endless(s: ScriptedSender, step: (n: number) => void): Promise<void> {
  for (let n = 0; !s.stream.destroyed; n++) {
    step(n);
    if (n % 500 > 0) continue;
    s.wire.flush();
    await s.wire.drained();
    // The pull tells that it has enough, and closes.
    if (s.stream.readableEnded || s.stream.readableLength > 0) return;
    await new Promise(setImmediate);
  }
}

describe("a sender that never ends", () => {
  it.each([
    ["files", (n: number) => ({ name: `file-${n}` })],
    ["directories", (n: number) => ({ name: `directory-${n}`, mode: DIRECTORY })],
    ["link targets", (n: number) => ({ name: `${n}`, mode: SYMLINK, target: "t".repeat(4_000) })],
    ["the same name", () => ({ name: "a" })],
  ])("of %s is stopped by the memory of its list", async (_what, entry) => {
    const end = await runSession(
      (s) => {
        s.entry(ROOT);
        return endless(s, (n) => s.entry(entry(n)));
      },
      { pull: { maxListBytes: 2 * MIB } },
    );
    expect(end.error).toMatchObject({ code: "ERR_RSYNC_LIMIT", exitCode: 22 });
    expect(String(end.error)).toMatch(/lists of more than 2 MiB/);
  });

  it("of directories in directories is stopped as well", async () => {
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "d0", mode: DIRECTORY });
        let path = "d0";
        let index = 1;
        await endless(s, (n) => {
          s.ndx.write(s.out, -101 - index);
          // Each directory holds another, and many that are never listed.
          const next = `d${n + 1}`;
          for (let i = 0; i < 20; i++) s.entry({ name: `${path}/x${i}`, mode: DIRECTORY });
          s.entry({ name: `${path}/${next}`, mode: DIRECTORY });
          s.out.byte(0);
          s.out.varint(0);
          path = `${path}/${next}`;
          index += 1;
        });
      },
      { incRecurse: true, pull: { maxListBytes: MIB, dryRun: true } },
    );
    // Whichever of the two limits it meets first: the path also grows.
    expect(end.error).toBeInstanceOf(RsyncError);
    expect(["ERR_RSYNC_LIMIT", "ERR_RSYNC_UNSAFE_PATH", "ERR_RSYNC_PROTOCOL"]).toContain(
      (end.error as RsyncError).code,
    );
  });

  it("of text is shown, and kept nowhere", async () => {
    let shown = 0;
    const stop = new AbortController();
    const end = await runSession(
      (s) => {
        s.list(ROOT, { name: "a", size: 3 });
        const text = Buffer.from(`${"x".repeat(8_000)}\n`);
        return endless(s, () => s.wire.message(TAG.ERROR_XFER, text));
      },
      {
        pull: {
          signal: stop.signal,
          onMessage: () => {
            shown += 1;
            if (shown === 2_000) stop.abort();
          },
        },
      },
    );
    expect(end.error).toMatchObject({ code: "ERR_RSYNC_ABORTED" });
    expect(shown).toBeGreaterThanOrEqual(2_000);
  });

  it("of keepalives is alive, as for rsync(1), and silence is not", async () => {
    const started = performance.now();
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "a", size: 3 });
        for (let n = 0; n < 12; n++) {
          s.wire.message(n % 2 === 0 ? TAG.DATA : TAG.NOOP, Buffer.alloc(0));
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
        await new Promise((resolve) => s.stream.once("end", resolve).resume());
      },
      { pull: { timeoutMs: 300 } },
    );
    expect(end.error).toMatchObject({ code: "ERR_RSYNC_TIMEOUT", exitCode: 30 });
    expect(performance.now() - started).toBeGreaterThan(800);
  });
});

describe("a number of the sender", () => {
  it("may shorten the timeout, and neither lengthen it nor end it", async () => {
    for (const seconds of [0, -1, 86_401, 0x7fff_ffff, 3_600]) {
      const end = await runSession(
        async (s) => {
          s.wire.intMessage(TAG.IO_TIMEOUT, seconds);
          s.list(ROOT, { name: "a", size: 3 });
          await s.request();
          await new Promise((resolve) => s.stream.once("end", resolve).resume());
        },
        { pull: { timeoutMs: 100 } },
      );
      expect(end.error).toMatchObject({ code: "ERR_RSYNC_TIMEOUT" });
    }
  });

  it("costs no memory before its bytes are there", async () => {
    const allocated: number[] = [];
    for (const name of ["alloc", "allocUnsafe", "allocUnsafeSlow"] as const) {
      const original = Buffer[name];
      vi.spyOn(Buffer, name).mockImplementation((size: number) => {
        allocated.push(size);
        return original(size);
      });
    }
    for (const claim of [0x7fff_ffff, 0x0100_0000, -1]) {
      const end = await runSession((s) => {
        s.out.varint(XMIT.LONG_NAME);
        s.out.varint(claim);
        s.out.latin1("a");
        s.wire.flush();
      });
      expect(end.error).toBeInstanceOf(RsyncError);
    }
    // A frame may say that it is 16 MiB long; only what comes is kept.
    const end = await runSession((s) => {
      s.stream.write(Buffer.from([0xff, 0xff, 0xff, 7]));
      s.stream.write(Buffer.from([0, 0]));
    });
    // An empty list, and nothing that would have said why.
    expect(end.error).toMatchObject({ exitCode: 23 });
    expect(Math.max(0, ...allocated)).toBeLessThan(MIB);
  });

  it("of a frame of one byte each is read in a bounded time", async () => {
    const started = process.cpuUsage();
    const end = await runSession(async (s) => {
      const list = new ByteWriter();
      for (let n = 0; n < 250; n++) {
        const name = `${n}`.padStart(200, "x");
        list.varint(XMIT.LONG_NAME);
        list.varint(name.length);
        list.latin1(name);
        list.varlong(0, 3);
        list.varlong(1_600_000_000, 4);
        list.int(FILE);
      }
      s.entry(ROOT);
      s.wire.flush();
      const frames: Buffer[] = [];
      for (const byte of list.take()) frames.push(encodeFrame(TAG.DATA, Buffer.of(byte)));
      s.stream.write(Buffer.concat(frames));
      s.endOfList();
      await s.serve(31, () => ({ data: Buffer.alloc(0) }));
    });
    expect(end.summary).toMatchObject({ exitCode: 0, transferredFiles: 250 });
    const { user, system } = process.cpuUsage(started);
    // 50,000 frames; when each made the reader move what was there, twice as many took minutes.
    expect((user + system) / 1000).toBeLessThan(10_000);
  });
});
