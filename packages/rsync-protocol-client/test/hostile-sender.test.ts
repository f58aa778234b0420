import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { NDX, RsyncError, TAG, XMIT } from "@dialhome/rsync-protocol";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PullOptions } from "../src/index.ts";
import { isOf } from "./support/hostile-case.ts";
import { HOSTILE_LISTS } from "./support/hostile-lists.ts";
import { HOSTILE_REPLIES, WITH_BASIS } from "./support/hostile-replies.ts";
import {
  DIRECTORY,
  FILE,
  ROOT,
  runSession,
  type ScriptedSender,
  type SessionEnd,
} from "./support/scripted-sender.ts";

function assertUnharmed({ outside, files }: SessionEnd): void {
  expect([...outside]).toEqual([["outside", "untouched"]]);
  expect([...files.keys()].filter((name) => name.startsWith("."))).toEqual([]);
}

describe("pull from a sender that means harm", () => {
  it.each(
    [31, 29, 27].flatMap((protocol) =>
      [...HOSTILE_LISTS, ...HOSTILE_REPLIES]
        .filter((one) => isOf(protocol, one))
        .map((one) => ({
          ...one,
          protocol,
          // Below protocol 28 each file comes with its device and inode where hard links are kept.
          pull: { hardLinks: protocol >= 28 },
        })),
    ),
  )(
    "refuses $title (protocol $protocol)",
    async ({ script, code, exitCode, message, ...options }) => {
      const end = await runSession(script, options);
      expect(end.error).toBeInstanceOf(RsyncError);
      expect(end.error).toMatchObject({ code, exitCode });
      expect(String(end.error)).toMatch(message);
      assertUnharmed(end);
    },
  );

  it("does not follow a symbolic link that stands for a directory of the list", async () => {
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "d", mode: DIRECTORY }, { name: "d/outside", size: 3 });
        await s.serve(31, () => ({ data: Buffer.from("new") }));
      },
      { before: (destination) => symlinkSync("..", join(destination, "d")) },
    );
    expect(end.error).toBeUndefined();
    expect(end.files.get("d/outside")).toBe("new");
    assertUnharmed(end);
  });

  it("does not follow a directory that is replaced by a link while it works", async () => {
    let here = "";
    const end = await runSession(
      async (s) => {
        s.list(ROOT, { name: "d", mode: DIRECTORY }, { name: "d/outside", size: 3 });
        await s.serve(31, () => ({ data: Buffer.from("new") }));
      },
      {
        pull: {
          onEntry: ({ entry }) => {
            if (entry.name !== "d") return;
            rmSync(join(here, "d"), { recursive: true });
            symlinkSync("..", join(here, "d"));
          },
        },
        before: (destination) => {
          here = destination;
        },
      },
    );
    expect(end.summary?.exitCode).toBe(23);
    assertUnharmed(end);
  });

  it("keeps one of two entries of the same name, and a directory rather than a file", async () => {
    const indexes: number[] = [];
    const end = await runSession(async (s) => {
      s.list(
        ROOT,
        { name: "a", size: 3 },
        { name: "a", size: 3 },
        { name: "d", mode: FILE },
        { name: "d", mode: DIRECTORY },
      );
      await s.serve(31, ({ item }) => {
        indexes.push(item.ndx);
        return { data: Buffer.from("abc") };
      });
    });
    expect(end.summary?.exitCode).toBe(0);
    expect(indexes).toEqual([1]);
    expect([...end.files]).toEqual([
      ["a", "abc"],
      ["d", ""],
    ]);
  });

  it("says that a name is too long for the file system, and goes on", async () => {
    const end = await runSession(async (s) => {
      s.list(ROOT, { name: "n".repeat(256), size: 3 }, { name: "n".repeat(255), size: 3 });
      await s.serve(31, () => ({ data: Buffer.from("abc") }));
    });
    expect(end.summary?.exitCode).toBe(23);
    expect(end.summary?.problems.join()).toMatch(/^cannot look at "n{256}"/);
    expect([...end.files.keys()]).toEqual(["n".repeat(255)]);
  });

  it("asks once more when a checksum is wrong, with sums at full length", async () => {
    const sums: number[] = [];
    const end = await runSession(async (s) => {
      s.list(ROOT, { name: "a", size: 3 });
      let times = 0;
      await s.serve(31, (request) => {
        sums.push(request.sums.strongLength);
        const data = Buffer.from("abc");
        return times++ === 0 ? { data, sum: Buffer.alloc(16) } : { data };
      });
    }, WITH_BASIS);
    expect(sums).toEqual([2, 16]);
    expect(end.summary?.exitCode).toBe(0);
    expect(end.files.get("a")).toBe("abc");
  });

  it("keeps the old file when a checksum is wrong twice, and leaves with 23", async () => {
    for (const hardLinks of [true, false]) {
      const end = await runSession(
        async (s) => {
          s.list(ROOT, { name: "a", size: 3 });
          await s.serve(31, () => ({ data: Buffer.from("abc"), sum: Buffer.alloc(16) }));
        },
        { ...WITH_BASIS, pull: { hardLinks } },
      );
      expect(end.summary).toMatchObject({ exitCode: 23, transferredFiles: 2 });
      expect(end.summary?.problems).toHaveLength(1);
      expect(end.files.get("a")).toBe("x".repeat(5_000));
    }
  });

  it("leaves nothing of a new file that came wrong in a private destination", async () => {
    for (const wrongTimes of [1, 2]) {
      const end = await runSession(
        async (s) => {
          s.list(ROOT, { name: "d", mode: DIRECTORY }, { name: "d/a", size: 3 });
          let times = 0;
          await s.serve(31, () => {
            const data = Buffer.from("abc");
            return times++ < wrongTimes ? { data, sum: Buffer.alloc(16) } : { data };
          });
        },
        { pull: { privateDestination: true } },
      );
      const arrived = wrongTimes === 1;
      expect(end.summary).toMatchObject({ exitCode: arrived ? 0 : 23 });
      expect(end.files.get("d/a")).toBe(arrived ? "abc" : undefined);
      assertUnharmed(end);
    }
  });

  it("passes the lead of a hard link group on when its leader does not come", async () => {
    const links: (string | undefined)[] = [];
    const script = async (s: ScriptedSender): Promise<void> => {
      s.list(
        ROOT,
        { name: "a", size: 3, leader: "first" },
        { name: "b", size: 3, leader: 1 },
        { name: "c", size: 3, leader: 1 },
      );
      const first = await s.request();
      s.wire.intMessage(TAG.NO_SEND, first.item.ndx);
      await s.serve(31, () => ({ data: Buffer.from("abc") }));
    };
    const onEntry: PullOptions["onEntry"] = ({ hardLinkTo }) => links.push(hardLinkTo);
    const end = await runSession(script, { pull: { onEntry } });
    expect(end.summary?.exitCode).toBe(0);
    // As in rsync(1), of those that are not here the last is asked for first.
    expect([...end.files]).toEqual([
      ["a", "abc"],
      ["b", "abc"],
    ]);
    expect(links.filter((to) => to !== undefined)).toEqual(["b"]);
    assertUnharmed(end);
  });

  it("goes on without a file that the sender does not send", async () => {
    const end = await runSession(async (s) => {
      s.list(ROOT, { name: "a", size: 3 }, { name: "b", size: 3 });
      s.wire.intMessage(TAG.NO_SEND, (await s.request()).item.ndx);
      await s.serve(31, () => ({ data: Buffer.from("abc") }));
    });
    expect(end.summary?.exitCode).toBe(0);
    expect([...end.files.keys()]).toEqual(["b"]);
  });

  it("shows text of the sender, and leaves with 23 only for what could not be transferred", async () => {
    for (const [tag, exitCode] of [
      [TAG.INFO, 0],
      [TAG.WARNING, 0],
      [TAG.ERROR, 0],
      [TAG.ERROR_XFER, 23],
    ] as const) {
      const end = await runSession(async (s) => {
        s.list(ROOT);
        s.wire.message(tag, Buffer.from("hear me\x1b[2J\n"));
        await s.serve(31, () => ({ data: Buffer.alloc(0) }));
      });
      expect(end.summary?.exitCode).toBe(exitCode);
      expect(end.messages.map(({ text }) => text)).toEqual(["hear me\x1b[2J"]);
    }
  });

  it("deletes nothing once the sender met an I/O error, and leaves with 23", async () => {
    for (const [ignoreErrors, left] of [
      [false, ["extra"]],
      [true, []],
    ] as const) {
      const end = await runSession(
        async (s) => {
          s.entry(ROOT);
          s.endOfList(1);
          await s.serve(31, () => ({ data: Buffer.alloc(0) }));
        },
        {
          before: (destination) => writeFileSync(join(destination, "extra"), ""),
          pull: { delete: true, ignoreErrors },
        },
      );
      expect(end.summary?.exitCode).toBe(23);
      expect([...end.files.keys()]).toEqual(left);
    }
  });

  it("speaks protocol 30, whose sender tells its errors by message", async () => {
    const end = await runSession(
      async (s) => {
        s.out.varint(XMIT.LONG_NAME | XMIT.TOP_DIR);
        s.out.varint(1);
        s.out.latin1(".");
        s.out.varlong(4_096, 3);
        s.out.varlong(1_600_000_000, 4);
        s.out.int(DIRECTORY);
        s.endOfList();
        s.wire.intMessage(TAG.IO_ERROR, 2);
        await s.serve(30, () => ({ data: Buffer.alloc(0) }));
      },
      { protocol: 30 },
    );
    expect(end.error).toBeUndefined();
    expect(end.summary).toMatchObject({ exitCode: 24, protocol: 30 });
  });

  it("takes no harm from random bytes, wherever they begin", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom("list", "reply", "frames"),
        fc.uint8Array({ minLength: 1, maxLength: 400 }),
        fc.constantFrom<[number, boolean][]>([31, true], [31, false], [29, false], [27, false]),
        async (where, bytes, [protocol, incRecurse]) => {
          const end = await runSession(
            async (s) => {
              if (where === "frames") {
                s.stream.write(bytes);
                return;
              }
              if (where === "reply") {
                s.list(ROOT, { name: "a", size: 3 }, { name: "d", mode: DIRECTORY });
                // With hard links nothing is asked for before enough is known.
                if (incRecurse) s.ndx.write(s.out, NDX.FLIST_EOF);
                s.wire.flush();
                s.head(await s.request());
              }
              s.out.bytes(bytes);
              s.wire.flush();
            },
            { protocol, incRecurse },
          );
          // Two zeros and a bit are a list with nothing in it, and an error.
          const failed = end.error instanceof RsyncError || (end.summary?.exitCode ?? 0) > 0;
          expect(failed).toBe(true);
          expect([...end.outside]).toEqual([["outside", "untouched"]]);
        },
      ),
      { numRuns: 100 },
    );
  });

  it("takes no harm from a session that ends at any of its bytes", async () => {
    const script = async (s: ScriptedSender): Promise<void> => {
      s.list(ROOT, { name: "a", size: 3 });
      await s.serve(31, () => ({ data: Buffer.from("abc") }));
    };
    const whole = await runSession(script, WITH_BASIS);
    const length = whole.summary?.bytesReceived ?? 0;
    expect(length).toBeGreaterThan(100);
    // The last frame is the sender's goodbye; every cut before it is noticed.
    // Numbers have one, two, four or eight bytes: steps of three come upon every place in them.
    for (let cut = 0; cut < length; cut += 3) {
      const end = await runSession(script, { ...WITH_BASIS, cutAfter: cut });
      expect(end.error, `cut after ${cut}`).toMatchObject({
        code: "ERR_RSYNC_CONNECTION_LOST",
        exitCode: 12,
      });
      expect(["abc", "x".repeat(5_000)]).toContain(end.files.get("a"));
      assertUnharmed(end);
    }
  });
});
