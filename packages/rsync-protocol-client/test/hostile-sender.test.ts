import { rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  BASIS,
  ITEM,
  NDX,
  RsyncError,
  TAG,
  writeBlock,
  writeItem,
  XMIT,
} from "@dialhome/rsync-protocol";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { PullOptions } from "../src/index.ts";
import {
  DIRECTORY,
  FILE,
  NEW_FILE,
  type RawEntry,
  ROOT,
  runSession,
  type ScriptedSender,
  type SessionEnd,
  type SessionOptions,
  SYMLINK,
} from "./support/scripted-sender.ts";

interface HostileCase extends SessionOptions {
  readonly title: string;
  readonly script: (sender: ScriptedSender) => Promise<void> | void;
  readonly code: string;
  readonly exitCode: number;
  readonly message: RegExp;
}

const listed =
  (...entries: readonly RawEntry[]) =>
  (sender: ScriptedSender): void => {
    sender.list(ROOT, ...entries);
  };

const asked =
  (
    reply: (
      sender: ScriptedSender,
      request: Awaited<ReturnType<ScriptedSender["request"]>>,
    ) => void,
  ) =>
  async (sender: ScriptedSender): Promise<void> => {
    sender.list(ROOT, { name: "a", size: 3 }, { name: "b", size: 3 });
    reply(sender, await sender.request());
    sender.wire.flush();
  };

const PATH = { code: "ERR_RSYNC_UNSAFE_PATH", exitCode: 4 } as const;
const VIOLATION = { code: "ERR_RSYNC_PROTOCOL", exitCode: 2 } as const;
const STREAM = { code: "ERR_RSYNC_PROTOCOL", exitCode: 12 } as const;
const LIMIT = { code: "ERR_RSYNC_LIMIT", exitCode: 2 } as const;

const withBasis: Partial<HostileCase> = {
  before: (destination) => writeFileSync(join(destination, "a"), "x".repeat(5_000)),
};

const CASES: readonly HostileCase[] = [
  // Names.
  { title: "a name with ..", ...PATH, message: /"\.\."/, script: listed({ name: "../outside" }) },
  {
    title: "a name with .. inside",
    ...PATH,
    message: /"\.\."/,
    script: listed({ name: "a", mode: DIRECTORY }, { name: "a/../../outside" }),
  },
  {
    title: "an absolute name",
    ...PATH,
    message: /empty component/,
    script: listed({ name: "/tmp/outside" }),
  },
  { title: "a name with NUL", ...PATH, message: /NUL/, script: listed({ name: "a\0b" }) },
  { title: "an empty name", ...PATH, message: /empty/, script: listed({ name: "" }) },
  {
    title: "a name with an empty component",
    ...PATH,
    message: /empty component/,
    script: listed({ name: "a", mode: DIRECTORY }, { name: "a//b" }),
  },
  {
    title: "a name that ends in a slash",
    ...PATH,
    message: /empty component/,
    script: listed({ name: "a/" }),
  },
  {
    title: "a name with a . component",
    ...PATH,
    message: /"\." component/,
    script: listed({ name: "./a" }),
  },
  {
    title: "a name of 4096 bytes",
    ...LIMIT,
    message: /name/,
    script: listed({ name: "a".repeat(4_096) }),
  },
  {
    title: "a name that grows beyond 4095 bytes by its prefix",
    ...LIMIT,
    message: /name of 4100/,
    script: listed({ name: "a".repeat(4_000) }, { name: "b".repeat(3_900), keep: 200 }),
  },
  {
    title: "a name that keeps more than there was",
    ...VIOLATION,
    message: /keeps 9/,
    script: listed({ name: "abc" }, { name: "d", keep: 9 }),
  },
  {
    title: "a file below a symbolic link",
    ...PATH,
    message: /directory of "l\/f" is not in the list/,
    script: listed({ name: "l", mode: SYMLINK, target: ".." }, { name: "l/f" }),
  },
  {
    title: "a file below a file",
    ...PATH,
    message: /not in the list/,
    script: listed({ name: "l" }, { name: "l/f" }),
  },
  {
    title: "a file whose directory was not listed",
    ...PATH,
    message: /not in the list/,
    script: listed({ name: "d/f" }),
  },
  {
    title: "a root that is a file",
    ...VIOLATION,
    message: /root of the transfer/,
    script: (s) => s.list({ name: "." }),
  },
  {
    title: "a root that is a symbolic link",
    ...VIOLATION,
    message: /root of the transfer/,
    script: (s) => s.list({ name: ".", mode: SYMLINK }),
  },
  // Fields.
  {
    title: "unknown type bits",
    ...VIOLATION,
    message: /unknown mode/,
    script: listed({ name: "a", mode: 0o150644 }),
  },
  {
    title: "no type bits",
    ...VIOLATION,
    message: /unknown mode/,
    script: listed({ name: "a", mode: 0o644 }),
  },
  {
    title: "a negative size",
    ...VIOLATION,
    message: /size of -5/,
    script: listed({ name: "a", size: -5 }),
  },
  {
    title: "a size beyond all numbers",
    ...LIMIT,
    message: /64-bit/,
    script: (s) => {
      s.out.varint(XMIT.LONG_NAME | 4);
      s.out.varint(1);
      s.out.latin1("a");
      s.out.bytes(Buffer.from("ffffffffffffffff7f", "hex"));
      s.endOfList();
    },
  },
  {
    title: "too many nanoseconds",
    ...LIMIT,
    message: /nanoseconds/,
    script: listed({ name: "a", nsec: 1_000_000_000 }),
  },
  {
    title: "negative nanoseconds",
    ...LIMIT,
    message: /nanoseconds/,
    script: listed({ name: "a", nsec: -1 }),
  },
  {
    title: "a symlink target without end",
    ...LIMIT,
    message: /symlink target/,
    script: listed({ name: "a", mode: SYMLINK, target: "t".repeat(4_096) }),
  },
  {
    title: "a hard link to an entry to come",
    ...VIOLATION,
    message: /not sent yet/,
    script: listed({ name: "a", leader: 2 }),
  },
  {
    title: "a hard link to itself",
    ...VIOLATION,
    message: /not sent yet/,
    script: listed({ name: "a", leader: 1 }),
  },
  {
    title: "a hard link to a negative index",
    ...LIMIT,
    message: /hard link leader/,
    script: listed({ name: "a", leader: -1 }),
  },
  // Lists.
  {
    title: "a sub-list without incremental recursion",
    ...VIOLATION,
    message: /unexpected index -101/,
    script: async (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY });
      s.ndx.write(s.out, NDX.FLIST_OFFSET);
      s.list({ name: "d/f" });
    },
  },
  {
    title: "a sub-list for an unknown directory",
    ...VIOLATION,
    message: /announced for directory 7/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY });
      s.ndx.write(s.out, NDX.FLIST_OFFSET - 7);
      s.list();
    },
  },
  {
    title: "a sub-list for the root",
    ...VIOLATION,
    message: /announced for directory 0/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY });
      s.ndx.write(s.out, NDX.FLIST_OFFSET);
      s.list({ name: "x" });
    },
  },
  {
    title: "a second list for a directory",
    ...VIOLATION,
    message: /announced for directory 1/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY });
      for (let n = 0; n < 2; n++) {
        s.ndx.write(s.out, NDX.FLIST_OFFSET - 1);
        s.list({ name: `d/${n}` });
      }
    },
  },
  {
    title: "a list for a duplicate directory",
    ...VIOLATION,
    message: /announced for directory 2/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY }, { name: "d", mode: DIRECTORY });
      s.ndx.write(s.out, NDX.FLIST_OFFSET - 2);
      s.list();
    },
  },
  {
    title: "a list for a directory without content",
    ...VIOLATION,
    message: /which has none/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY, flags: XMIT.NO_CONTENT_DIR });
      s.ndx.write(s.out, NDX.FLIST_OFFSET - 1);
      s.list();
    },
  },
  {
    title: "a sub-list with an entry of elsewhere",
    ...PATH,
    message: /sent as content/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY });
      s.ndx.write(s.out, NDX.FLIST_OFFSET - 1);
      s.list({ name: "e" });
    },
  },
  {
    title: "a sub-list with a deeper entry",
    ...PATH,
    message: /sent as content/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY });
      s.ndx.write(s.out, NDX.FLIST_OFFSET - 1);
      s.list({ name: "d/e", mode: DIRECTORY }, { name: "d/e/f" });
    },
  },
  {
    title: "a sub-list with the root",
    ...PATH,
    message: /sent as content/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY });
      s.ndx.write(s.out, NDX.FLIST_OFFSET - 1);
      s.list(ROOT);
    },
  },
  {
    title: "a list after the last",
    ...VIOLATION,
    message: /unexpected index -102/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, { name: "d", mode: DIRECTORY });
      s.ndx.write(s.out, NDX.FLIST_EOF);
      s.ndx.write(s.out, NDX.FLIST_OFFSET - 1);
      s.list({ name: "d/f" });
    },
  },
  {
    title: "the end of lists twice",
    ...VIOLATION,
    message: /unexpected index -2/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT);
      s.ndx.write(s.out, NDX.FLIST_EOF);
      s.ndx.write(s.out, NDX.FLIST_EOF);
      s.wire.flush();
    },
  },
  // Replies.
  {
    title: "a reply that was not asked for",
    ...VIOLATION,
    message: /entry 0, which is not the next/,
    script: asked((s, r) => s.head(r, { ndx: 0 })),
  },
  {
    title: "a reply out of range",
    ...VIOLATION,
    message: /entry 4000/,
    script: asked((s, r) => s.head(r, { ndx: 4_000 })),
  },
  {
    title: "replies in the wrong order",
    ...VIOLATION,
    message: /entry 2, which is not the next/,
    script: asked((s, r) => s.head(r, { ndx: 2 })),
  },
  {
    title: "a reply twice",
    ...VIOLATION,
    message: /entry 1, which is not the next/,
    script: asked((s, r) => {
      s.file(r, Buffer.from("abc"));
      s.head(r);
    }),
  },
  {
    title: "other flags than asked",
    ...VIOLATION,
    message: /with flags/,
    script: asked((s, r) => s.head(r, { flags: NEW_FILE | ITEM.REPORT_TIME })),
  },
  {
    title: "another basis than asked",
    ...VIOLATION,
    message: /with flags/,
    script: asked((s, r) =>
      s.head(r, { flags: NEW_FILE | ITEM.BASIS_TYPE_FOLLOWS, basis: BASIS.FUZZY }),
    ),
  },
  {
    title: "a name for the basis",
    ...VIOLATION,
    message: /with flags/,
    script: asked((s, r) => s.head(r, { flags: NEW_FILE | ITEM.XNAME_FOLLOWS, xname: "../../x" })),
  },
  {
    title: "a reply without TRANSFER",
    ...VIOLATION,
    message: /with flags/,
    script: asked((s, r) => writeItem(s.out, s.ndx, { ...r.item, flags: ITEM.IS_NEW })),
  },
  {
    title: "other sums than sent",
    ...VIOLATION,
    message: /other sums/,
    script: asked((s, r) => s.head(r, { count: 1, blockLength: 700, strongLength: 2 })),
  },
  {
    title: "sums out of range",
    ...VIOLATION,
    message: /sum header/,
    script: asked((s, r) => s.head(r, { count: -1 })),
  },
  {
    title: "blocks of no length",
    ...VIOLATION,
    message: /blocks of length 0/,
    script: asked((s, r) => s.head(r, { count: 5 })),
  },
  {
    title: "a checksum longer than any",
    ...VIOLATION,
    message: /strong sum length/,
    script: asked((s, r) => s.head(r, { strongLength: 65 })),
  },
  {
    title: "a block of a file that has none",
    ...VIOLATION,
    message: /block 0 of 0/,
    script: asked((s, r) => {
      s.head(r);
      writeBlock(s.out, 0);
    }),
  },
  {
    title: "a block behind the last",
    ...VIOLATION,
    ...withBasis,
    message: /block 8 of 8/,
    script: asked((s, r) => {
      s.head(r);
      writeBlock(s.out, 8);
    }),
  },
  {
    title: "the last block number of all",
    ...VIOLATION,
    ...withBasis,
    message: /block 2147483647/,
    script: asked((s, r) => {
      s.head(r);
      s.out.int(-0x8000_0000);
    }),
  },
  {
    title: "a literal of more than 32768 bytes",
    ...VIOLATION,
    message: /literal of 32769/,
    script: asked((s, r) => {
      s.head(r);
      s.out.int(32_769);
    }),
  },
  {
    title: "the last index of all",
    ...VIOLATION,
    message: /entry 2147483647, which is not the next/,
    script: asked((s, r) => s.head(r, { ndx: 0x7fff_ffff })),
  },
  // Phases.
  {
    title: "the end of a phase that nobody asked for",
    ...VIOLATION,
    message: /end of a phase/,
    script: asked((s) => s.done()),
  },
  {
    title: "a transfer after the last phase",
    ...VIOLATION,
    message: /not the next/,
    script: async (s) => {
      s.list(ROOT, { name: "a", size: 3 });
      const r = await s.request();
      s.file(r, Buffer.from("abc"));
      await s.hear();
      s.done();
      s.done();
      s.head(r);
      s.wire.flush();
    },
  },
  // Frames.
  {
    title: "an unknown message",
    ...STREAM,
    message: /unknown tag 77/,
    script: (s) => s.wire.message(77, Buffer.alloc(4)),
  },
  {
    title: "a message that only a receiver has",
    ...STREAM,
    message: /message 100/,
    script: (s) => s.wire.intMessage(TAG.SUCCESS, 1),
  },
  {
    title: "an endless message",
    ...STREAM,
    message: /payload of 8193/,
    script: (s) => s.wire.message(TAG.INFO, Buffer.alloc(8_193)),
  },
  {
    title: "a number of the wrong size",
    ...STREAM,
    message: /payload of 3/,
    script: (s) => s.wire.message(TAG.IO_ERROR, Buffer.alloc(3)),
  },
  {
    title: "a file refused that nobody asked for",
    ...VIOLATION,
    message: /refused/,
    script: async (s) => {
      s.list(ROOT);
      s.wire.intMessage(TAG.NO_SEND, 5);
      await s.hear();
    },
  },
  {
    title: "a file refused before any list",
    ...VIOLATION,
    message: /refused/,
    script: (s) => s.wire.intMessage(TAG.NO_SEND, 0),
  },
  // Ends.
  {
    title: "an exit code",
    code: "ERR_RSYNC_PEER_EXIT",
    exitCode: 14,
    message: /exit code 14/,
    script: asked((s) => s.wire.intMessage(TAG.ERROR_EXIT, 14)),
  },
  {
    title: "an exit without a code",
    code: "ERR_RSYNC_PEER_EXIT",
    exitCode: 12,
    message: /exit/,
    script: asked((s) => s.wire.message(TAG.ERROR_EXIT, Buffer.alloc(0))),
  },
  {
    title: "the end of the stream",
    code: "ERR_RSYNC_CONNECTION_LOST",
    exitCode: 12,
    message: /closed/,
    script: asked(() => undefined),
  },
];

function assertUnharmed({ outside, files }: SessionEnd): void {
  expect([...outside]).toEqual([["outside", "untouched"]]);
  expect([...files.keys()].filter((name) => name.startsWith("."))).toEqual([]);
}

describe("pull from a sender that means harm", () => {
  it.each(CASES)("refuses $title", async ({ script, code, exitCode, message, ...options }) => {
    const end = await runSession(script, options);
    expect(end.error).toBeInstanceOf(RsyncError);
    expect(end.error).toMatchObject({ code, exitCode });
    expect(String(end.error)).toMatch(message);
    assertUnharmed(end);
  });

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
    }, withBasis);
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
        { ...withBasis, pull: { hardLinks } },
      );
      expect(end.summary).toMatchObject({ exitCode: 23, transferredFiles: 0 });
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
    expect([...end.files]).toEqual([
      ["b", "abc"],
      ["c", "abc"],
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
        fc.boolean(),
        async (where, bytes, incRecurse) => {
          const end = await runSession(
            async (s) => {
              if (where === "frames") {
                s.stream.write(bytes);
                return;
              }
              if (where === "reply") {
                s.list(ROOT, { name: "a", size: 3 }, { name: "d", mode: DIRECTORY });
                s.head(await s.request());
              }
              s.out.bytes(bytes);
              s.wire.flush();
            },
            { incRecurse },
          );
          // Two zeros and a bit are a list with nothing in it, and an error.
          const failed = end.error instanceof RsyncError || (end.summary?.exitCode ?? 0) > 0;
          expect(failed).toBe(true);
          expect([...end.outside]).toEqual([["outside", "untouched"]]);
        },
      ),
      { numRuns: 150 },
    );
  });

  it("takes no harm from a session that ends at any of its bytes", async () => {
    const script = async (s: ScriptedSender): Promise<void> => {
      s.list(ROOT, { name: "a", size: 3 });
      await s.serve(31, () => ({ data: Buffer.from("abc") }));
    };
    const whole = await runSession(script, withBasis);
    const length = whole.summary?.bytesReceived ?? 0;
    expect(length).toBeGreaterThan(100);
    // The last frame is the sender's goodbye; every cut before it is noticed.
    for (let cut = 0; cut < length; cut++) {
      const end = await runSession(script, { ...withBasis, cutAfter: cut });
      expect(end.error, `cut after ${cut}`).toMatchObject({
        code: "ERR_RSYNC_CONNECTION_LOST",
        exitCode: 12,
      });
      expect(["abc", "x".repeat(5_000)]).toContain(end.files.get("a"));
      assertUnharmed(end);
    }
  });
});
