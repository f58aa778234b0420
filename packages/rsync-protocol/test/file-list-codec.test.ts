import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  ByteReader,
  ByteWriter,
  type FileEntry,
  FileList,
  FileListDecoder,
  FileListEncoder,
  type FileListFormat,
  formatOfSession,
  RsyncError,
  readIdList,
} from "../src/index.ts";

const NAMES = {
  userName: (uid: number) => (uid === 0 ? "root" : uid < 50 ? `user${uid}` : undefined),
  groupName: (gid: number) => (gid === 0 ? "root" : gid < 50 ? `group${gid}` : undefined),
};

function formatFor(protocol: number, compatFlags: number, all = true): FileListFormat {
  return {
    ...formatOfSession(protocol, compatFlags),
    recursive: false,
    links: all,
    hardLinks: all,
    owner: all,
    group: all,
    devices: all,
    specials: all,
    acls: false,
    xattrs: false,
    atimes: all && protocol >= 30,
    numericIds: false,
    checksumBytes: all ? 16 : 0,
  };
}

const kind = fc.constantFrom(0o100000, 0o040000, 0o120000, 0o020000, 0o060000, 0o010000, 0o140000);
const name = fc
  .array(
    fc.string({
      unit: fc.constantFrom("a", "b", "\xff", "\n", " ", "."),
      minLength: 1,
      maxLength: 200,
    }),
    {
      minLength: 1,
      maxLength: 4,
    },
  )
  .map((parts) => parts.map((part) => `x${part}`).join("/"));

/** Entries as a sender may list them, hard links by leader among them. */
function entriesFor(format: FileListFormat, start: number): fc.Arbitrary<FileEntry[]> {
  const one = fc.record({
    name,
    type: kind,
    permissions: fc.nat(0o7777),
    size: fc.nat(2 ** 52),
    mtime:
      format.protocol >= 30 ? fc.integer({ min: -(2 ** 33), max: 2 ** 34 }) : fc.nat(2 ** 32 - 1),
    atime: fc.oneof(fc.constant(77), fc.integer({ min: -(2 ** 33), max: 2 ** 34 })),
    nsec: fc.oneof(fc.constant(0), fc.nat(999_999_999)),
    id: fc.nat(60),
    major: fc.nat(3),
    minor: fc.nat(0xffff),
    linkBack: fc.option(fc.nat(20)),
    topDirectory: fc.boolean(),
    content: fc.boolean(),
  });
  return fc.array(one, { maxLength: 12 }).map((raw) => {
    const entries: FileEntry[] = [];
    for (const [i, each] of raw.entries()) {
      const mode = each.type | each.permissions;
      const isDevice = each.type === 0o020000 || each.type === 0o060000;
      const isDirectory = each.type === 0o040000;
      // Protocol 27 tells an inode of every regular file, and of nothing else.
      const isLinked =
        format.hardLinks &&
        (format.protocol >= 28 ? !isDirectory && each.linkBack !== null : each.type === 0o100000);
      const leader = each.linkBack === null ? undefined : entries[each.linkBack];
      if (leader && leader.hardLinkGroup >= 0 && format.hardLinks) {
        entries.push({ ...leader, name: each.name });
        continue;
      }
      entries.push({
        name: each.name,
        mode,
        size: each.size,
        mtime: each.mtime,
        mtimeNsec: format.protocol >= 31 ? each.nsec : 0,
        ...(format.atimes && !isDirectory ? { atime: each.atime } : {}),
        uid: format.owner ? each.id : 0,
        gid: format.group ? each.id : 0,
        rdevMajor: isDevice && format.devices ? each.major : 0,
        rdevMinor: isDevice && format.devices ? each.minor : 0,
        linkTarget: each.type === 0o120000 && format.links ? each.name : undefined,
        checksum: each.type === 0o100000 && format.checksumBytes ? Buffer.alloc(16, i) : undefined,
        hardLinkGroup: isLinked ? start + i : -1,
        acl: undefined,
        xattrs: undefined,
        isTopDirectory: isDirectory && each.topDirectory,
        // Below protocol 30 it is what being named says, where nothing is recursive.
        hasContent: isDirectory && (format.protocol >= 30 ? each.content : each.topDirectory),
      });
    }
    return entries;
  });
}

const FORMATS = [
  ["protocol 32 with varint flags", formatFor(32, 0x1fe)],
  ["protocol 32, incremental", formatFor(32, 0x1ff)],
  ["protocol 31 with byte flags", formatFor(31, 0x3e)],
  ["protocol 30", formatFor(30, 0x08)],
  ["protocol 30 without anything", formatFor(30, 0, false)],
  ["protocol 29", formatFor(29, 0)],
  ["protocol 29 without anything", formatFor(29, 0, false)],
  ["protocol 28", formatFor(28, 0)],
  ["protocol 27", formatFor(27, 0)],
  ["protocol 27 without anything", formatFor(27, 0, false)],
] as const;

function encode(format: FileListFormat, entries: readonly FileEntry[], ioError: number): Buffer {
  const writer = new ByteWriter();
  const encoder = new FileListEncoder(format, NAMES);
  const list = new FileList(format.incRecurse ? 1 : 0, undefined);
  for (const entry of entries) {
    encoder.write(writer, list, entry);
    list.wire.push(entry);
  }
  encoder.writeEnd(writer, ioError);
  encoder.writeIdLists(writer);
  return writer.take();
}

interface Decoded {
  readonly entries: readonly FileEntry[];
  readonly ioError: number | undefined;
  readonly left: number;
}

function decode(format: FileListFormat, chunks: readonly Buffer[]): Decoded {
  const reader = new ByteReader();
  const decoder = new FileListDecoder(format);
  const list = new FileList(format.incRecurse ? 1 : 0, undefined);
  let ioError: number | undefined;
  for (const chunk of chunks) {
    reader.push(chunk);
    while (ioError === undefined) {
      const read = reader.attempt((r) => decoder.read(r, list));
      if (read === undefined) break;
      if ("ioError" in read) ioError = read.ioError;
      else list.wire.push(read);
    }
  }
  if (ioError !== undefined && !format.incRecurse && format.owner) {
    readIdList(reader, format, decoder.names.users);
    readIdList(reader, format, decoder.names.groups);
  }
  for (const [uid, told] of decoder.names.users) expect(told).toBe(NAMES.userName(uid));
  return { entries: [...list.wire], ioError, left: reader.available };
}

describe("file list", () => {
  it.each(FORMATS)("comes back as it was sent, cut anywhere: %s", (_title, format) => {
    const errors = format.safeEnd ? [0, 1, 3] : [0];
    fc.assert(
      fc.property(
        entriesFor(format, format.incRecurse ? 1 : 0),
        fc.constantFrom(...errors),
        fc.integer({ min: 1, max: 64 }),
        (entries, ioError, cut) => {
          const bytes = encode(format, entries, ioError);
          const chunks: Buffer[] = [];
          for (let at = 0; at < bytes.length; at += cut) chunks.push(bytes.subarray(at, at + cut));
          expect(decode(format, chunks)).toEqual({ entries, ioError, left: 0 });
        },
      ),
    );
  });

  it("looks as the real rsync writes it", () => {
    const format = { ...formatFor(32, 0x1ff), checksumBytes: 0, hardLinks: false, atimes: false };
    const hex =
      "ac01012e00001065257d93e715cd5bed410000" +
      "0004726f6f740004726f6f74" +
      "a0980772616e6431306b000028e715cd5ba4810000" +
      "a098046c696e6b000900e715cd5bffa100000968656c6c6f2e747874" +
      "0000";
    const { entries } = decode(format, [Buffer.from(hex, "hex")]);
    expect(entries).toMatchObject([
      {
        name: ".",
        mode: 0o040755,
        mtime: 1_704_164_645,
        mtimeNsec: 123_456_789,
        isTopDirectory: true,
      },
      { name: "rand10k", mode: 0o100644, size: 10_240, mtime: 1_704_164_645, uid: 0 },
      { name: "link", mode: 0o120777, linkTarget: "hello.txt", size: 9 },
    ]);
    expect(encode(format, entries, 0).toString("hex")).toBe(hex);
  });

  it("takes the slash off the names below an absolute path, with -R alone", () => {
    const format = { ...formatFor(32, 0x1ff), checksumBytes: 0, hardLinks: false, atimes: false };
    const directory = decode(format, [
      encode(format, fc.sample(entriesFor(format, 1), { seed: 1, numRuns: 100 }).flat(), 0),
    ]).entries.find(({ mode }) => (mode & 0o170000) === 0o040000);
    if (directory === undefined) throw new Error("no directory among the samples");
    // The prefix that two names share is counted with the slash, which "/." has too.
    const names = ["/.", "/tmp", "/tmp/a", "b", "/tmp/ab"];
    const sent = encode(
      format,
      names.map((path) => ({ ...directory, name: path })),
      0,
    );
    const { entries } = decode({ ...format, rootedNames: true }, [sent]);
    expect(entries.map((entry) => entry.name)).toEqual([".", "tmp", "tmp/a", "b", "tmp/ab"]);
    expect(() => decode(format, [sent])).toThrow(/empty component/);
    const twice = encode(format, [{ ...directory, name: "//tmp" }], 0);
    expect(() => decode({ ...format, rootedNames: true }, [twice])).toThrow(/empty component/);
  });

  it.each(FORMATS)("throws only RsyncError, whatever comes: %s", (_title, format) => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => {
        const reader = new ByteReader();
        reader.push(Buffer.from(bytes));
        const decoder = new FileListDecoder(format);
        const list = new FileList(0, undefined);
        let thrown: unknown;
        try {
          for (;;) {
            const read = reader.attempt((r) => decoder.read(r, list));
            if (read === undefined || "ioError" in read) break;
            list.wire.push(read);
          }
        } catch (error) {
          thrown = error;
        }
        expect(thrown === undefined || thrown instanceof RsyncError).toBe(true);
      }),
      { numRuns: 300 },
    );
  });
});
