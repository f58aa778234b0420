import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { assert, property, uint8Array } from "fast-check";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  ACL_ATTRIBUTE,
  DirectoryHandle,
  decodePosixAcl,
  encodePosixAcl,
  OpenXattrs,
  type PosixAcl,
} from "../src/index.ts";

const FILE = Buffer.from("file");
let root = "";
let directory: DirectoryHandle;

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "dialhome-test-"));
  fs.writeFileSync(path.join(root, "file"), "x");
  fs.symlinkSync("file", path.join(root, "link"));
  directory = DirectoryHandle.open(root);
});

afterEach(() => {
  directory.close();
  fs.rmSync(root, { recursive: true });
});

test("attributes are set, listed, read and removed, empty ones too", () => {
  directory.setXattr(FILE, "user.a", Buffer.from("value"));
  directory.setXattr(FILE, "user.empty", Buffer.alloc(0));
  directory.setXattr(FILE, "user.caf\xe9", Buffer.from([0, 255]));
  expect(directory.listXattrs(FILE).toSorted()).toEqual(["user.a", "user.caf\xe9", "user.empty"]);
  expect(directory.getXattr(FILE, "user.a")?.toString()).toBe("value");
  expect(directory.getXattr(FILE, "user.empty")).toHaveLength(0);
  expect(directory.getXattr(FILE, "user.none")).toBeUndefined();
  directory.removeXattr(FILE, "user.a");
  directory.removeXattr(FILE, "user.a");
  expect(directory.getXattr(FILE, "user.a")).toBeUndefined();
});

test("a symbolic link's attributes are its own, which user attributes cannot be", () => {
  directory.setXattr(FILE, "user.a", Buffer.from("value"));
  expect(directory.listXattrs(Buffer.from("link"))).not.toContain("user.a");
  expect(() => directory.setXattr(Buffer.from("link"), "user.b", Buffer.from("v"))).toThrow(
    /EPERM/,
  );
});

test("an open file's attributes follow the file, not its name", () => {
  const fd = directory.openFile(FILE);
  fs.renameSync(path.join(root, "file"), path.join(root, "moved"));
  const xattrs = new OpenXattrs(fd);
  xattrs.set("user.a", Buffer.from("1"));
  fs.closeSync(fd);
  expect(OpenXattrs.supported).toBe(true);
  expect(directory.getXattr(Buffer.from("moved"), "user.a")?.toString()).toBe("1");
});

test("a missing file is an error, not a file without attributes", () => {
  expect(() => directory.listXattrs(Buffer.from("none"))).toThrow(/ENOENT/);
});

test("the kernel takes the lists that we write, and gives them back", () => {
  const acl: PosixAcl = {
    owner: 6,
    group: 0,
    mask: 4,
    other: 0,
    named: [
      { kind: "user", id: 1, permissions: 4 },
      { kind: "group", id: 2, permissions: 7 },
    ],
  };
  directory.setXattr(FILE, ACL_ATTRIBUTE.access, encodePosixAcl(acl));
  const value = directory.getXattr(FILE, ACL_ATTRIBUTE.access);
  expect(value && decodePosixAcl(value)).toEqual(acl);
});

test("any bytes are a list that can be written again, or none", () => {
  assert(
    property(uint8Array({ maxLength: 60 }), (bytes) => {
      const acl = decodePosixAcl(bytes);
      const again = acl && decodePosixAcl(encodePosixAcl(acl));
      expect(again?.named.length).toBe(acl?.named.length);
    }),
  );
});
