import * as fs from "node:fs";
import * as path from "node:path";
import { expect, test, vi } from "vitest";
import type { ManifestEntry } from "../../src/store/manifest-entry.ts";
import { RestoreTarget } from "../../src/store/restore-target.ts";
import { scratch } from "./support/rig.ts";

test("what appears after the look is neither followed nor replaced", () => {
  const destination = scratch();
  const outside = scratch();
  using target = RestoreTarget.open(destination, false);
  fs.symlinkSync(outside, path.join(destination, "sub"));
  const exists = expect.objectContaining({ code: "ERR_STORE_EXISTS" });
  expect(() => target.locate(Buffer.from("sub/file"))).toThrow(exists);
  expect(fs.lstatSync(path.join(destination, "sub")).isSymbolicLink()).toBe(true);

  const name = Buffer.from("file");
  const { directory } = target.locate(name);
  fs.writeFileSync(path.join(destination, "file"), "theirs");
  fs.writeFileSync(path.join(destination, "temporary"), "ours");
  expect(() => target.settle(directory, Buffer.from("temporary"), name, name)).toThrow(exists);
  expect(fs.readFileSync(path.join(destination, "file"), "utf8")).toBe("theirs");
});

test("asked to overwrite, it replaces a symbolic link by a directory of its own", () => {
  const destination = scratch();
  const outside = scratch();
  using target = RestoreTarget.open(destination, true);
  fs.symlinkSync(outside, path.join(destination, "sub"));
  const { directory } = target.locate(Buffer.from("sub/file"));
  fs.writeFileSync(directory.at(Buffer.from("file")), "ours");
  expect(fs.readdirSync(outside)).toEqual([]);
  expect(fs.readFileSync(path.join(destination, "sub/file"), "utf8")).toBe("ours");
});

const file: ManifestEntry = {
  name: Buffer.from("file"),
  mode: 0o106755,
  size: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  uid: 12,
  gid: 34,
  outcome: "new",
};

test("a directory makes way for nothing else, whatever was asked for", () => {
  const destination = scratch();
  fs.mkdirSync(path.join(destination, "file"));
  for (const overwrite of [false, true]) {
    using target = RestoreTarget.open(destination, overwrite);
    using cursor = target.look();
    expect(() => target.assertFree(file, cursor)).toThrow(
      expect.objectContaining({
        code: "ERR_STORE_EXISTS",
        message: expect.stringMatching(/is a directory$/),
      }),
    );
    expect(() => target.assertFree({ ...file, mode: 0o40755 }, cursor)).not.toThrow();
  }
});

test("who is not root gets no set-id bits, since the file is his own", () => {
  vi.spyOn(process, "geteuid").mockReturnValue(1000);
  const destination = scratch();
  using target = RestoreTarget.open(destination, false);
  const { directory, name } = target.locate(file.name);
  const fd = directory.openFile(name, fs.constants.O_CREAT | fs.constants.O_WRONLY, 0o600);
  const before = fs.fstatSync(fd);
  target.setAttributesOfFd(fd, file);
  fs.closeSync(fd);
  const { mode, uid } = fs.statSync(path.join(destination, "file"));
  expect(mode & 0o7777).toBe(0o755);
  expect(uid).toBe(before.uid);
  fs.chmodSync(path.join(destination, "file"), 0o600);
  target.setAttributes(directory, name, { ...file, mode: 0o107750 });
  expect(fs.statSync(path.join(destination, "file")).mode & 0o7777).toBe(0o1750);
});
