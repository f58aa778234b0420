import {
  assertChildren,
  ByteReader,
  ByteWriter,
  entryOrderOf,
  type FileEntry,
  FileListDecoder,
  FileListEncoder,
  type FileListFormat,
  FileLists,
  formatOfSession,
  NDX,
  RsyncError,
  readIdList,
} from "@dialhome/rsync-protocol";
import { type FuzzTarget, refusesWith } from "../target.ts";

/** What a session may have agreed on, from the first two bytes of an input. */
function formatOf(low: number, high: number): FileListFormat {
  const protocol = [30, 31, 32][low & 3] ?? 27 + (high % 3);
  const isOld = protocol < 30;
  return {
    ...formatOfSession(protocol, isOld ? 0 : high | ((low & 4) << 6)),
    recursive: (low & 4) !== 0,
    links: true,
    hardLinks: (low & 8) !== 0,
    owner: (low & 16) !== 0,
    group: (low & 16) !== 0,
    devices: (low & 32) !== 0,
    specials: (low & 32) !== 0,
    acls: (low & 64) !== 0 && !isOld,
    xattrs: (low & 128) !== 0 && !isOld,
    numericIds: false,
    checksumBytes: (low & 64) !== 0 ? 16 : 0,
  };
}

const plain: FileEntry = {
  name: "",
  mode: 0o100644,
  size: 5,
  mtime: 1_700_000_000,
  mtimeNsec: 5,
  uid: 1_000,
  gid: 1_000,
  rdevMajor: 0,
  rdevMinor: 0,
  linkTarget: undefined,
  checksum: Buffer.alloc(16),
  hardLinkGroup: -1,
  acl: { access: { named: [{ kind: "user", id: 3, permissions: 5 }] }, default: undefined },
  xattrs: [{ name: "user.x", length: 3, data: Buffer.from("abc") }],
  isTopDirectory: false,
  hasContent: false,
};

function listed(low: number, high: number): Buffer {
  const format = formatOf(low, high);
  const writer = new ByteWriter();
  writer.byte(low);
  writer.byte(high);
  const encoder = new FileListEncoder(format, {
    userName: () => "anna",
    groupName: () => undefined,
  });
  const lists = new FileLists(format.incRecurse, undefined, entryOrderOf(format.protocol));
  const list = lists.begin();
  const directory: FileEntry = {
    ...plain,
    mode: 0o040755,
    acl: { access: { named: [] }, default: { owner: 7, named: [] } },
    isTopDirectory: true,
    hasContent: true,
  };
  const { start } = list;
  const entries: FileEntry[] = [
    { ...directory, name: "." },
    { ...directory, name: "dir" },
    { ...plain, name: "file" },
    { ...plain, name: "file.2", hardLinkGroup: start + 3 },
    { ...plain, name: "file.3", hardLinkGroup: start + 3 },
    { ...plain, name: "link", mode: 0o120777, linkTarget: "file" },
    { ...plain, name: "null", mode: 0o020666, rdevMajor: 1, rdevMinor: 3 },
    { ...plain, name: "fifo", mode: 0o010644 },
  ];
  for (const entry of entries) {
    encoder.write(writer, list, entry);
    list.wire.push(entry);
  }
  encoder.writeEnd(writer, 0);
  return writer.take();
}

/** Whole lists with what belongs to them, as a pull reads them. */
export const fileList: FuzzTarget = {
  name: "file-list",
  limitMs: 1_000,
  seeds: () => [
    listed(0, 0x80),
    listed(0xfe, 0xff),
    listed(0xfe, 0),
    listed(0x3a, 0x81),
    // Protocols 27, 28 and 29.
    listed(0xff, 0),
    listed(0xff, 1),
    listed(0x3f, 2),
  ],
  dictionary: ["..", "/", "./", "user.x\0", "security.capability\0"],
  run: (input) => {
    const format = formatOf(input[0] ?? 0, input[1] ?? 0);
    refusesWith([RsyncError], () => {
      const decoder = new FileListDecoder(format);
      const lists = new FileLists(format.incRecurse, 1 << 20, entryOrderOf(format.protocol));
      const reader = new ByteReader();
      reader.push(input.subarray(2));
      let directory: FileEntry | undefined;
      for (let first = true; ; first = false) {
        const list = lists.begin(directory);
        for (;;) {
          const read = reader.attempt((r) => decoder.read(r, list));
          if (read === undefined) return;
          if ("ioError" in read) break;
          assertSafe(read);
          lists.hold(list, read, 0);
          list.wire.push(read);
        }
        if (directory) assertChildren(list);
        lists.add(list);
        if (first && !format.incRecurse) {
          reader.attempt((r) => ({ n: readIdList(r, format, decoder.names.users) }));
          return;
        }
        const index = reader.attempt((r) => ({ index: r.byte() }));
        if (!index) return;
        directory = lists.takeAnnounced(NDX.FLIST_OFFSET - index.index);
      }
    });
  },
};

/** What everything that touches files relies on. */
function assertSafe({ name, size, mtimeNsec, linkTarget }: FileEntry): void {
  const parts = name.split("/");
  const bad =
    name !== "." &&
    parts.some((part) => part === "" || part === "." || part === ".." || part.includes("\0"));
  if (bad || name.length > 4_095) throw new Error(`the unsafe name ${JSON.stringify(name)} passed`);
  if (size < 0 || mtimeNsec < 0 || mtimeNsec > 999_999_999)
    throw new Error("a wrong number passed");
  if ((linkTarget?.length ?? 0) > 4_095) throw new Error("a long target passed");
}
