import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { expect, test } from "vitest";
import { MAX_GLOB_ENTRIES } from "../src/constants.ts";
import { expandPath } from "../src/path-glob.ts";
import { tempFolder } from "./support/scripted-client.ts";

test("wildcards expand as rsync expands them: as a shell does, and leading dots too", async () => {
  await using folder = tempFolder();
  for (const name of ["a1/x", "a2/x", "a2/y", "b/x", ".hidden/x"]) {
    mkdirSync(join(folder.path, name), { recursive: true });
  }
  writeFileSync(join(folder.path, "st*r"), "");
  using root = DirectoryHandle.open(folder.path);
  const expand = (path: string): string[] => expandPath(root, path, { entries: 0 });
  expect(expand("a?/x")).toEqual(["a1/x", "a2/x"]);
  expect(expand("*/y")).toEqual(["a2/y"]);
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

test("wildcards that look at too much are refused, and slow patterns are not slow", async () => {
  await using folder = tempFolder();
  writeFileSync(join(folder.path, "a".repeat(250)), "");
  using root = DirectoryHandle.open(folder.path);
  // Backtracking would outlast the time limit of a test.
  expect(expandPath(root, `${"*a".repeat(100)}b`, { entries: 0 })).toHaveLength(1);
  expect(expandPath(root, "*", { entries: MAX_GLOB_ENTRIES - 1 })).toHaveLength(1);
  expect(() => expandPath(root, "*", { entries: MAX_GLOB_ENTRIES })).toThrow("wildcards over more");
});
