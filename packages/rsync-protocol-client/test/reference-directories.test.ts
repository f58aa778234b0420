import {
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DestinationTree } from "../src/destination-tree.ts";
import { openReferences } from "../src/reference-directories.ts";

let root = "";

beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), "references-")));
  for (const path of ["dest/in/deep", "older", "secret/in"]) {
    mkdirSync(join(root, path), { recursive: true });
  }
  writeFileSync(join(root, "secret/key"), "secret");
  symlinkSync("../secret", join(root, "dest/planted"));
  symlinkSync("../../secret", join(root, "dest/in/planted"));
  symlinkSync("older", join(root, "current"));
  symlinkSync("dest", join(root, "way"));
});

afterEach(() => rmSync(root, { recursive: true }));

/** Where the directory was found, from `root` on, or that it was left out. */
function opened(path: string, missing?: string): string {
  using tree = new DestinationTree(DirectoryHandle.open(join(root, "dest")));
  const leftOut: string[] = [];
  const [reference] = openReferences([path.replace("ROOT", root)], tree, missing, (left) => {
    leftOut.push(left);
  });
  if (!reference) return leftOut.length === 1 ? "left out" : "lost";
  using found = reference.tree;
  const { ino } = found.root.stat();
  const places = ["older", "secret", "secret/in", "dest", "dest/in", "dest/in/deep"];
  const place = places.find((each) => statSync(join(root, each), { bigint: true }).ino === ino);
  return place ?? "elsewhere";
}

describe("a directory that files are compared with", () => {
  it.each([
    ["../older", "older"],
    ["../current", "older"],
    ["ROOT/current", "older"],
    ["ROOT/secret", "secret"],
    [".", "dest"],
    ["in//deep/", "dest/in/deep"],
    ["in/deep/..", "dest/in"],
    ["../way/in", "dest/in"],
    ["ROOT/way/in/deep", "dest/in/deep"],
    ["in/../../older", "older"],
    ["not there", "left out"],
    ["../not/there", "left out"],
  ])("%s is %s", (path, place) => {
    expect(opened(path)).toBe(place);
  });

  // Files there could be linked into the destination, and be given other modes through that.
  it.each([
    "planted",
    "planted/in",
    "in/planted",
    "./in/../planted",
    "../dest/planted",
    "../way/planted/in",
    "in/../../dest/planted",
    "ROOT/dest/planted",
    "ROOT/way/in/planted",
    "ROOT/dest/../way/planted",
  ])("%s is not reached through a link in the destination", (path) => {
    expect(opened(path)).toBe("left out");
  });

  it("where the path leaves the destination, a link in it counts as the directory that it claims to be", () => {
    expect(opened("planted/../../older")).toBe("older");
    expect(opened("planted/../../dest/planted")).toBe("left out");
  });

  it("a dry run that did not make the destination goes by its path", () => {
    expect(opened("../older", join(root, "new"))).toBe("older");
    expect(opened("below", join(root, "new"))).toBe("left out");
  });
});
