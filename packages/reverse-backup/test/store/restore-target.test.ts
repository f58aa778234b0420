import * as fs from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
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
