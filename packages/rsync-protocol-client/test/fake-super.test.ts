import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import {
  formatStatRecord,
  isLinkTo,
  lstatRecorded,
  makeStandIn,
  parseStatRecord,
  storeRecord,
} from "../src/fake-super.ts";
import { NamedXattrs } from "../src/xattr-target.ts";

describe("the record of --fake-super", () => {
  // As the real rsync wrote them.
  it.each([
    ["104755 0,0 0:0", { mode: 0o104755, rdevMajor: 0, rdevMinor: 0, uid: 0, gid: 0 }],
    ["60644 8,300 1:2", { mode: 0o060644, rdevMajor: 8, rdevMinor: 300, uid: 1, gid: 2 }],
    [
      "10644 0,0 12345:54321",
      { mode: 0o010644, rdevMajor: 0, rdevMinor: 0, uid: 12_345, gid: 54_321 },
    ],
  ])("%s", (text, record) => {
    expect(formatStatRecord(record)).toBe(text);
    expect(parseStatRecord(text)).toEqual(record);
  });

  it.each(["", "100644", "100644 0,0", "99 0,0 0:0", "100644 0,0 -1:0", "x"])(
    '"%s" is none',
    (text) => {
      expect(parseStatRecord(text)).toBeUndefined();
    },
  );

  it("of any text is one or none", () => {
    fc.assert(
      fc.property(
        fc.string({ unit: fc.constantFrom(...Array.from("01234567 ,:-x")) }),
        (text) => void parseStatRecord(text),
      ),
    );
  });
});

describe("a file with a record", () => {
  let folder: string;
  let directory: DirectoryHandle;
  const name = Buffer.from("file");

  beforeEach(() => {
    folder = fs.mkdtempSync(path.join(os.tmpdir(), "dialhome-fake-super-"));
    directory = DirectoryHandle.open(folder);
  });

  afterEach(() => {
    directory.close();
    fs.rmSync(folder, { recursive: true });
  });

  const store = (mode: number, more: Partial<Parameters<typeof storeRecord>[2]> = {}): void => {
    const onDisk = directory.lstat(name);
    if (!onDisk) throw new Error("no file");
    const { uid, gid } = onDisk;
    const wanted = { mode, rdevMajor: 0, rdevMinor: 0, uid, gid, ...more };
    storeRecord(new NamedXattrs(directory, name), onDisk, wanted, (permissions) => {
      directory.chmod(name, permissions);
    });
  };
  const record = (): string | undefined => directory.getXattr(name, "user.rsync.%stat")?.toString();

  it("is what the record says, and has none where it says it all by itself", () => {
    makeStandIn(directory, name, Buffer.alloc(0));
    store(0o020666, { rdevMajor: 1, rdevMinor: 3, uid: 7, gid: 8 });
    expect(record()).toBe("20666 1,3 7:8");
    expect(directory.lstat(name)?.mode).toBe(0o100666);
    expect(lstatRecorded(directory, name)).toMatchObject({
      mode: 0o020666,
      rdevMajor: 1,
      rdevMinor: 3,
      uid: 7,
      gid: 8,
    });
    store(0o104511);
    expect(record()).toMatch(/^104511 0,0 /);
    expect(directory.lstat(name)?.mode).toBe(0o100711);
    store(0o100644);
    expect(record()).toBeUndefined();
    expect(lstatRecorded(directory, name)?.mode).toBe(0o100644);
  });

  it.skipIf(process.getuid?.() !== 0)("is not needed by a device of the system's", () => {
    directory.mknod(name, 0o020640, 1, 3);
    directory.chmod(name, 0o640);
    store(0o020640, { rdevMajor: 1, rdevMinor: 3 });
    // And it cannot have one.
    expect(() => store(0o020640, { rdevMajor: 1, rdevMinor: 5 })).toThrow("EPERM");
  });

  it("stands for a symbolic link", () => {
    makeStandIn(directory, name, Buffer.from("t\xe9", "latin1"));
    store(0o120777);
    expect(lstatRecorded(directory, name)?.mode).toBe(0o120777);
    expect(isLinkTo(directory, name, "t\xe9", true)).toBe(true);
    expect(isLinkTo(directory, name, "t", true)).toBe(false);
    directory.symlink(Buffer.from("real"), Buffer.from("link"));
    // It is to become a file.
    expect(isLinkTo(directory, Buffer.from("link"), "real", true)).toBe(false);
    expect(isLinkTo(directory, Buffer.from("link"), "real", false)).toBe(true);
  });

  it("is no directory, whatever its record says", () => {
    makeStandIn(directory, name, Buffer.alloc(0));
    directory.setXattr(name, "user.rsync.%stat", Buffer.from("40755 0,0 0:0"));
    expect(lstatRecorded(directory, name)?.mode).toBe(0o100600);
  });
});
