import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { BASIS, ITEM, TAG, writeBlock, writeItem } from "@dialhome/rsync-protocol";
import { type HostileCase, VIOLATION } from "./hostile-case.ts";
import { NEW_FILE, ROOT, type ScriptedSender } from "./scripted-sender.ts";

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

const STREAM = { code: "ERR_RSYNC_PROTOCOL", exitCode: 12 } as const;

/** The destination has a file `a` of 5,000 bytes. */
export const WITH_BASIS: Partial<HostileCase> = {
  before: (destination) => writeFileSync(join(destination, "a"), "x".repeat(5_000)),
};

/** Replies, phases and frames that are wrong, and bad ends. */
export const HOSTILE_REPLIES: readonly HostileCase[] = [
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
