import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import { capabilities, DirectoryHandle } from "../src/index.ts";
import { isRoot, name, openDescriptors, scratch } from "./support/scratch.ts";

const { O_CREAT, O_EXCL, O_WRONLY } = fs.constants;

test("without koffi missing, everything is there", () => {
  expect(capabilities()).toEqual({ nanosecondTimes: true, mknod: true, syncfs: true });
});

describe("a held directory", () => {
  test("keeps receiving when its path has become a symbolic link", () => {
    const { path: root } = scratch();
    fs.mkdirSync(path.join(root, "dest"));
    fs.mkdirSync(path.join(root, "victim"));
    using held = DirectoryHandle.open(path.join(root, "dest"));
    fs.renameSync(path.join(root, "dest"), path.join(root, "moved"));
    fs.symlinkSync("victim", path.join(root, "dest"));

    fs.closeSync(held.openFile(name("file"), O_CREAT | O_EXCL | O_WRONLY, 0o600));
    held.mkdir(name("sub"));
    held.symlink(name("x"), name("link"));
    held.link(held, name("file"), name("second"));
    held.rename(name("second"), held, name("third"));
    held.mknod(name("fifo"), 0o10600);
    held.setTimes(name("file"), { mtimeSec: 1, mtimeNsec: 0 });
    held.chmod(name("file"), 0o400);
    held.chown(name("file"), process.getuid?.() ?? 0, process.getgid?.() ?? 0);
    expect(fs.readdirSync(path.join(root, "victim"))).toEqual([]);
    expect(fs.readdirSync(path.join(root, "moved")).toSorted()).toEqual([
      "fifo",
      "file",
      "link",
      "sub",
      "third",
    ]);
    held.removeTree(name("sub"));
    expect(fs.readdirSync(path.join(root, "moved"))).not.toContain("sub");
  });

  test("does not open a child that is a symbolic link, and itself only when told so", () => {
    const { handle, path: root } = scratch();
    handle.mkdir(name("real"));
    handle.symlink(name("real"), name("link"));
    expect(() => handle.openDirectory(name("link"))).toThrow(/ENOTDIR|ELOOP/);
    expect(() => DirectoryHandle.open(path.join(root, "link"))).toThrow(/ENOTDIR|ELOOP/);
    using followed = DirectoryHandle.open(path.join(root, "link"), { followLast: true });
    using real = handle.openDirectory(name("real"));
    expect(followed.stat().ino).toBe(real.stat().ino);
  });

  test("closes once, and then every call says so", () => {
    const { path: root } = scratch();
    const before = openDescriptors();
    const handle = DirectoryHandle.open(root);
    handle.close();
    handle.close();
    handle[Symbol.dispose]();
    expect(openDescriptors()).toBe(before);
    expect(() => handle.names()).toThrow(expect.objectContaining({ code: "ERR_POSIX_FS_CLOSED" }));
    expect(() => handle.lstat(name("a"))).toThrow(/the directory handle is closed/);
  });

  test("takes no name that leads elsewhere, in any call", () => {
    const { handle } = scratch();
    fs.writeFileSync(handle.at(name("a")), "");
    const good = name("a");
    for (const bad of ["", ".", "..", "a/b", "../a", "a\0b"].map(name)) {
      const calls: readonly (() => unknown)[] = [
        () => handle.at(bad),
        () => handle.openDirectory(bad),
        () => handle.lstat(bad),
        () => handle.mkdir(bad),
        () => handle.openFile(bad),
        () => handle.rename(bad, handle, good),
        () => handle.rename(good, handle, bad),
        () => handle.link(handle, bad, name("b")),
        () => handle.link(handle, good, bad),
        () => handle.symlink(name("x"), bad),
        () => handle.readlink(bad),
        () => handle.unlink(bad),
        () => handle.rmdir(bad),
        () => handle.removeTree(bad),
        () => handle.chmod(bad, 0),
        () => handle.chown(bad, 0, 0),
        () => handle.setTimes(bad, { mtimeSec: 0, mtimeNsec: 0 }),
        () => handle.mknod(bad, 0o10600),
      ];
      for (const call of calls) {
        expect(call).toThrow(expect.objectContaining({ code: "ERR_POSIX_FS_NAME" }));
      }
    }
    expect(handle.names()).toEqual([good]);
  });
});

describe("names are bytes", () => {
  const names = [
    Buffer.from("plain"),
    Buffer.from("new\nline"),
    Buffer.from("-rf"),
    Buffer.from([0xff, 0xfe, 0x80]),
    Buffer.from("…ä…"),
    Buffer.alloc(255, 0x61),
    Buffer.from("..."),
    Buffer.from("a\\b\"c'd"),
  ];
  test.each(names.map((bytes) => [JSON.stringify(bytes.toString("latin1")).slice(0, 30), bytes]))(
    "%s",
    (_, bytes) => {
      const { handle } = scratch();
      fs.writeSync(handle.openFile(bytes, O_CREAT | O_WRONLY), "x");
      expect(handle.names()).toEqual([bytes]);
      expect(handle.lstat(bytes)?.size).toBe(1);
      handle.rename(bytes, handle, name("other"));
      handle.symlink(bytes, bytes);
      expect(handle.readlink(bytes)).toEqual(bytes);
      handle.unlink(bytes);
      handle.mkdir(bytes, 0o700);
      handle.openDirectory(bytes).close();
      handle.removeTree(bytes);
      handle.mknod(bytes, 0o10600);
      handle.unlink(bytes);
      expect(handle.names()).toEqual([name("other")]);
    },
  );
});

describe("modes", () => {
  test("of a file without any permission are set", () => {
    const { handle } = scratch();
    fs.writeFileSync(handle.at(name("a")), "", { mode: 0 });
    handle.chmod(name("a"), 0o4751);
    expect(handle.lstat(name("a"))?.mode).toBe(0o104751);
  });

  test("of a symbolic link are refused, and its target is left alone", () => {
    const { handle } = scratch();
    fs.writeFileSync(handle.at(name("target")), "", { mode: 0o600 });
    handle.symlink(name("target"), name("link"));
    expect(() => handle.chmod(name("link"), 0o777)).toThrow(
      expect.objectContaining({ code: "ERR_POSIX_FS_SYMLINK" }),
    );
    expect(handle.lstat(name("target"))?.mode).toBe(0o100600);
  });

  test("of a fifo and of a directory are set without opening them", () => {
    const { handle } = scratch();
    handle.mknod(name("fifo"), 0o10600);
    handle.mkdir(name("dir"), 0o000);
    handle.chmod(name("fifo"), 0o640);
    handle.chmod(name("dir"), 0o1770);
    expect(handle.lstat(name("fifo"))?.mode).toBe(0o010640);
    expect(handle.lstat(name("dir"))?.mode).toBe(0o041770);
    handle.chmodSelf(0o710);
    expect(handle.stat().mode).toBe(0o040710);
  });
});

test("opening a fifo that nobody writes to does not hang", () => {
  const { handle } = scratch();
  handle.mknod(name("fifo"), 0o10600);
  const fd = handle.openFile(name("fifo"));
  expect(fs.fstatSync(fd).isFIFO()).toBe(true);
  fs.closeSync(fd);
});

test("a link target is 1 to 4095 bytes without NUL", () => {
  const { handle } = scratch();
  handle.symlink(Buffer.alloc(4095, 0x61), name("longest"));
  expect(handle.readlink(name("longest"))).toHaveLength(4095);
  for (const target of [Buffer.alloc(4096, 0x61), Buffer.alloc(0), Buffer.from("a\0b")]) {
    expect(() => handle.symlink(target, name("bad"))).toThrow(/^a link target of/);
  }
});

test.runIf(isRoot)("owners are set, of a link too", () => {
  const { handle } = scratch();
  handle.symlink(name("nowhere"), name("link"));
  handle.chown(name("link"), 65_534, 4_294_967_294);
  expect(handle.lstat(name("link"))).toMatchObject({ uid: 65_534, gid: 4_294_967_294 });
});

test("sync, flush and fsync come back", async () => {
  const { handle } = scratch();
  fs.writeFileSync(handle.at(name("a")), "x");
  expect(() => handle.sync()).not.toThrow();
  expect(() => handle.fsync()).not.toThrow();
  await expect(handle.flush()).resolves.toBeUndefined();
});
