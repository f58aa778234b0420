import { mkdirSync, mkdtempSync, realpathSync, rmSync, statSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DestinationTree } from "../src/destination-tree.ts";

let root = "";

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "links-")));
  for (const path of ["in/a/b", "in/c", "out/a"]) mkdirSync(join(root, path), { recursive: true });
  for (const [name, target] of [
    ["to-b", "a/b"],
    ["a/to-c", "./../c//"],
    ["c/to-to-b", "../to-b"],
    ["here", "."],
    ["out", "../out"],
    ["a/out", "../../out/a"],
    ["back", "../in/c"],
    ["absolute", join(root, "in/c")],
    ["loop", "loop"],
    ["nowhere", "nothing"],
    ["c/up", ".."],
  ] as const) {
    symlinkSync(target, join(root, "in", name));
  }
});

afterEach(() => rmSync(root, { recursive: true }));

function found(path: string, keepsLinks: boolean): string | undefined {
  using tree = new DestinationTree(DirectoryHandle.open(join(root, "in")), keepsLinks);
  const { ino } = tree.directory(path).stat();
  using own = tree.own(path);
  expect(own.stat().ino).toBe(ino);
  // What is held under one name is given up under all.
  tree.forget("c");
  expect(tree.directory(path).stat().ino).toBe(ino);
  return ["in", "in/a", "in/a/b", "in/c", "out", "out/a"].find(
    (each) => statSync(join(root, each), { bigint: true }).ino === ino,
  );
}

describe("links to directories of the destination", () => {
  it.each([
    ["to-b", "in/a/b"],
    ["a/to-c", "in/c"],
    ["a/to-c/to-to-b", "in/a/b"],
    ["here/here/a", "in/a"],
    ["c/up/c/up/a/b", "in/a/b"],
  ])("%s leads to %s, with --keep-dirlinks alone", (path, place) => {
    expect(found(path, true)).toBe(place);
    expect(() => found(path, false)).toThrow(/ENOTDIR|ELOOP/);
  });

  it.each(["out", "out/a", "a/out", "back", "absolute", "c/up/out", "loop", "nowhere"])(
    "%s leads to no place in it",
    (path) => {
      expect(() => found(path, true)).toThrow(
        /leads out of the destination|too many symbolic links|ENOENT/,
      );
    },
  );
});
