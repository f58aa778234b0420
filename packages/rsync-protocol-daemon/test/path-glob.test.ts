import { mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { expect, test } from "vitest";
import { MAX_GLOB_ENTRIES } from "../src/constants.ts";
import { expandPath, type GlobRoot } from "../src/path-glob.ts";
import { tempFolder } from "./support/scripted-client.ts";

const hides = (path: string): boolean => path === "hidden" || path.startsWith("hidden/");
const at = (directory: DirectoryHandle): GlobRoot => ({ directory, followAbsolute: true, hides });

test("wildcards expand as rsync expands them: as a shell does, and leading dots too", async () => {
  await using folder = tempFolder();
  for (const name of ["a1/x", "a2/x", "a2/y", "b/x", ".hidden/x"]) {
    mkdirSync(join(folder.path, name), { recursive: true });
  }
  writeFileSync(join(folder.path, "st*r"), "");
  using root = DirectoryHandle.open(folder.path);
  const expand = (path: string): string[] => expandPath(at(root), path, { entries: 0 });
  expect(expand("a?/x")).toEqual(["a1/x", "a2/x"]);
  // What stands behind the last wildcard may be missing.
  expect(expand("a*/y")).toEqual(["a1/y", "a2/y"]);
  expect(expand("a*/y/*")).toEqual(["a*/y/*"]);
  expect(expand("a[2-9]/")).toEqual(["a2/"]);
  expect(expand(".h*")).toEqual([".hidden"]);
  expect(expand("*")).toEqual([".hidden", "a1", "a2", "b", "st*r"]);
  expect(expand("*/x")).toEqual([".hidden/x", "a1/x", "a2/x", "b/x"]);
  expect(expand("st\\*r")).toEqual(["st*r"]);
  // A backslash escapes only where something is a pattern.
  expect(expand("a\\2/x")).toEqual(["a\\2/x"]);
  expect(expand("st\\*r/a\\2")).toEqual(["st*r/a\\2"]);
  expect(expand("nothing*")).toEqual(["nothing*"]);
  expect(expand("../*")).toEqual(["../*"]);
  expect(expand("plain path/")).toEqual(["plain path/"]);
});

test("wildcards match what is there, and nothing that the module leaves out", async () => {
  await using folder = tempFolder();
  for (const name of ["d/x", "hidden/x"]) mkdirSync(join(folder.path, name), { recursive: true });
  writeFileSync(join(folder.path, "file"), "");
  for (const [name, target] of Object.entries({
    l1: "d",
    l2: "file",
    l3: "nothing",
    l4: "/d",
    l5: "../..",
  }))
    symlinkSync(target, join(folder.path, name));
  using root = DirectoryHandle.open(folder.path);
  const expand = (path: string): string[] => expandPath(at(root), path, { entries: 0 });
  expect(expand("*")).toEqual(["d", "file", "l1", "l2", "l4", "l5"]);
  // "l5" leads up to the root, which is its own parent.
  expect(expand("*/")).toEqual(["d/", "l1/", "l4/", "l5/"]);
  expect(expand("*/x")).toEqual(["d/x", "l1/x", "l4/x", "l5/x"]);
  expect(expand("hidden/*")).toEqual(["hidden/*"]);
  expect(expand("hidd*")).toEqual(["hidd*"]);
  // Out of the root nobody looks: it is a name like others, and refused where it is used.
  const strict = { ...at(root), followAbsolute: false };
  expect(expandPath(strict, "l[45]", { entries: 0 })).toEqual(["l4", "l5"]);
});

test("wildcards that look at too much are refused, and slow patterns are not slow", async () => {
  await using folder = tempFolder();
  writeFileSync(join(folder.path, "a".repeat(250)), "");
  using root = DirectoryHandle.open(folder.path);
  // Backtracking would outlast the time limit of a test.
  expect(expandPath(at(root), `${"*a".repeat(100)}b`, { entries: 0 })).toHaveLength(1);
  expect(expandPath(at(root), "*", { entries: MAX_GLOB_ENTRIES - 1 })).toHaveLength(1);
  expect(() => expandPath(at(root), "*", { entries: MAX_GLOB_ENTRIES })).toThrow(
    "wildcards over more",
  );
});
