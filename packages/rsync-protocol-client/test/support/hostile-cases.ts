import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BASIS, ITEM, NDX, TAG, writeBlock, writeItem, XMIT } from "@dialhome/rsync-protocol";
import {
  DIRECTORY,
  NEW_FILE,
  type RawEntry,
  ROOT,
  type ScriptedSender,
  type SessionOptions,
  SYMLINK,
} from "./scripted-sender.ts";

/** One thing that a sender may do wrong, and how a pull refuses it. */
export interface HostileCase extends SessionOptions {
  readonly title: string;
  readonly script: (sender: ScriptedSender) => Promise<void> | void;
  readonly code: string;
  readonly exitCode: number;
  readonly message: RegExp;
  /** What rsync(1) leaves with, where it is something else: 12 where it takes what we refuse, and only misses the rest. */
  readonly real?: number;
  /** The first protocol in which it can be said, or is refused so. @defaultValue 27 */
  readonly since?: number;
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
const NOT_LISTED = { ...PATH, exitCode: 2 } as const;
const OVERFLOW = { code: "ERR_RSYNC_LIMIT", exitCode: 22 } as const;
const LIMIT = { code: "ERR_RSYNC_LIMIT", exitCode: 2 } as const;

/** The destination has a file `a` of 5,000 bytes. */
export const WITH_BASIS: Partial<HostileCase> = {
  before: (destination) => writeFileSync(join(destination, "a"), "x".repeat(5_000)),
};

/** Whether a case means anything in a protocol, and there the same. */
export function isOf(protocol: number, { since = 27, incRecurse }: HostileCase): boolean {
  return protocol >= (incRecurse ? 30 : since);
}

export const HOSTILE_CASES: readonly HostileCase[] = [
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
  { title: "a name with NUL", real: 12, ...PATH, message: /NUL/, script: listed({ name: "a\0b" }) },
  { title: "an empty name", ...PATH, message: /empty/, script: listed({ name: "" }) },
  {
    title: "a name with an empty component",
    real: 12,
    ...PATH,
    message: /empty component/,
    script: listed({ name: "a", mode: DIRECTORY }, { name: "a//b" }),
  },
  {
    title: "a name that ends in a slash",
    real: 12,
    ...PATH,
    message: /empty component/,
    script: listed({ name: "a/" }),
  },
  {
    title: "a name with a . component",
    real: 12,
    ...PATH,
    message: /"\." component/,
    script: listed({ name: "./a" }),
  },
  {
    title: "a name of 4096 bytes",
    ...OVERFLOW,
    message: /name/,
    script: listed({ name: "a".repeat(4_096) }),
  },
  {
    title: "a name that grows beyond 4095 bytes by its prefix",
    ...OVERFLOW,
    message: /name of 4100/,
    script: listed({ name: "a".repeat(4_000) }, { name: "b".repeat(3_900), keep: 200 }),
  },
  {
    title: "a name that keeps more than there was",
    real: 12,
    ...VIOLATION,
    message: /keeps 9/,
    script: listed({ name: "abc" }, { name: "d", keep: 9 }),
  },
  {
    title: "a file below a symbolic link",
    ...NOT_LISTED,
    message: /directory of "l\/f" is not in the list/,
    script: listed({ name: "l", mode: SYMLINK, target: ".." }, { name: "l/f" }),
  },
  {
    title: "a file below a file",
    ...NOT_LISTED,
    message: /not in the list/,
    script: listed({ name: "l" }, { name: "l/f" }),
  },
  {
    title: "a file whose directory was not listed",
    ...NOT_LISTED,
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
    exitCode: 4,
    message: /size of -5/,
    script: listed({ name: "a", size: -5 }),
  },
  {
    title: "a size beyond all numbers",
    since: 30,
    real: 12,
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
    since: 31,
    ...LIMIT,
    message: /nanoseconds/,
    script: listed({ name: "a", nsec: 1_000_000_000 }),
  },
  {
    title: "negative nanoseconds",
    since: 31,
    ...LIMIT,
    message: /nanoseconds/,
    script: listed({ name: "a", nsec: -1 }),
  },
  {
    title: "a symlink target without end",
    ...OVERFLOW,
    message: /symlink target/,
    script: listed({ name: "a", mode: SYMLINK, target: "t".repeat(4_096) }),
  },
  {
    title: "a hard link to an entry to come",
    since: 30,
    ...VIOLATION,
    message: /not sent yet/,
    script: listed({ name: "a", leader: 2 }),
  },
  {
    title: "a hard link to itself",
    since: 30,
    ...VIOLATION,
    message: /not sent yet/,
    script: listed({ name: "a", leader: 1 }),
  },
  {
    title: "a hard link to a negative index",
    since: 30,
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
    real: 4,
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
    real: 12,
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
    real: 12,
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
    since: 30,
    real: 12,
    ...VIOLATION,
    message: /entry 2, which is not the next/,
    script: asked((s, r) => s.head(r, { ndx: 2 })),
  },
  {
    title: "a reply twice",
    since: 30,
    real: 12,
    ...VIOLATION,
    message: /entry 1, which is not the next/,
    script: asked((s, r) => {
      s.file(r, Buffer.from("abc"));
      s.head(r);
    }),
  },
  {
    title: "other flags than asked",
    since: 29,
    real: 12,
    ...VIOLATION,
    message: /with flags/,
    script: asked((s, r) => s.head(r, { flags: NEW_FILE | ITEM.REPORT_TIME })),
  },
  {
    title: "another basis than asked",
    since: 29,
    ...VIOLATION,
    message: /with flags/,
    script: asked((s, r) =>
      s.head(r, { flags: NEW_FILE | ITEM.BASIS_TYPE_FOLLOWS, basis: BASIS.FUZZY }),
    ),
  },
  {
    title: "a name for the basis",
    since: 29,
    real: 12,
    ...VIOLATION,
    message: /with flags/,
    script: asked((s, r) => s.head(r, { flags: NEW_FILE | ITEM.XNAME_FOLLOWS, xname: "../../x" })),
  },
  {
    title: "a reply without TRANSFER",
    since: 29,
    real: 12,
    ...VIOLATION,
    message: /with flags/,
    script: asked((s, r) => writeItem(s.out, s.ndx, { ...r.item, flags: ITEM.IS_NEW })),
  },
  {
    title: "other sums than sent",
    real: 12,
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
    ...WITH_BASIS,
    message: /block 8 of 8/,
    script: asked((s, r) => {
      s.head(r);
      writeBlock(s.out, 8);
    }),
  },
  {
    title: "the last block number of all",
    ...VIOLATION,
    ...WITH_BASIS,
    message: /block 2147483647/,
    script: asked((s, r) => {
      s.head(r);
      s.out.int(-0x8000_0000);
    }),
  },
  {
    title: "a literal of more than 32768 bytes",
    real: 12,
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
    since: 30,
    real: 12,
    ...VIOLATION,
    message: /end of a phase/,
    script: asked((s) => s.done()),
  },
  {
    title: "a transfer after the last phase",
    since: 30,
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
    real: 12,
    ...VIOLATION,
    message: /refused/,
    script: (s) => s.wire.intMessage(TAG.NO_SEND, 0),
  },
  // Ends.
  {
    title: "an exit code",
    since: 31,
    code: "ERR_RSYNC_PEER_EXIT",
    exitCode: 14,
    message: /exit code 14/,
    script: asked((s) => s.wire.intMessage(TAG.ERROR_EXIT, 14)),
  },
  {
    title: "an exit without a code",
    real: 0,
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
