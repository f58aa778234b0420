import { NDX, XMIT } from "@dialhome/rsync-protocol";
import { type HostileCase, VIOLATION } from "./hostile-case.ts";
import { DIRECTORY, type RawEntry, ROOT, type ScriptedSender, SYMLINK } from "./scripted-sender.ts";

const listed =
  (...entries: readonly RawEntry[]) =>
  (sender: ScriptedSender): void => {
    sender.list(ROOT, ...entries);
  };

const PATH = { code: "ERR_RSYNC_UNSAFE_PATH", exitCode: 4 } as const;
const NOT_LISTED = { ...PATH, exitCode: 2 } as const;
const OVERFLOW = { code: "ERR_RSYNC_LIMIT", exitCode: 22 } as const;
const LIMIT = { code: "ERR_RSYNC_LIMIT", exitCode: 2 } as const;
/** A directory whose content comes in a list of its own. */
const D: RawEntry = { name: "d", mode: DIRECTORY };

/** Names, fields and lists that are wrong. */
export const HOSTILE_LISTS: readonly HostileCase[] = [
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
    script: (s) => {
      s.list(ROOT, D);
      s.subList(0, { name: "d/f" });
    },
  },
  {
    title: "a sub-list for an unknown directory",
    ...VIOLATION,
    message: /announced for directory 7/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, D);
      s.subList(7);
    },
  },
  {
    title: "a sub-list for the root",
    real: 4,
    ...VIOLATION,
    message: /announced for directory 0/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, D);
      s.subList(0, { name: "x" });
    },
  },
  {
    title: "a second list for a directory",
    ...VIOLATION,
    message: /announced for directory 1/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, D);
      for (let n = 0; n < 2; n++) {
        s.subList(1, { name: `d/${n}` });
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
      s.subList(2);
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
      s.subList(1);
    },
  },
  {
    title: "a sub-list with an entry of elsewhere",
    ...PATH,
    message: /sent as content/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, D);
      s.subList(1, { name: "e" });
    },
  },
  {
    title: "a sub-list with a deeper entry",
    ...PATH,
    message: /sent as content/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, D);
      s.subList(1, { name: "d/e", mode: DIRECTORY }, { name: "d/e/f" });
    },
  },
  {
    title: "a sub-list with the root",
    ...PATH,
    message: /sent as content/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, D);
      s.subList(1, ROOT);
    },
  },
  {
    title: "a list after the last",
    ...VIOLATION,
    message: /unexpected index -102/,
    incRecurse: true,
    script: (s) => {
      s.list(ROOT, D);
      s.ndx.write(s.out, NDX.FLIST_EOF);
      s.subList(1, { name: "d/f" });
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
];
