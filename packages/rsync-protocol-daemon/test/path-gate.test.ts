import { mkdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import * as fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { openInside, parseRequestedPath } from "../src/path-gate.ts";
import { tempFolder } from "./support/scripted-client.ts";

const folder = tempFolder();
const root = join(folder.path, "root");
mkdirSync(join(root, "a/b/c"), { recursive: true });
mkdirSync(join(folder.path, "beside"));
writeFileSync(join(root, "a/b/c/here"), "");
symlinkSync("b/c", join(root, "a/down"));
symlinkSync("../a/down", join(root, "a/twice"));
symlinkSync("../../beside", join(root, "a/out"));
symlinkSync("/a/b", join(root, "absolute"));
symlinkSync("loop", join(root, "loop"));
symlinkSync("b/../../../beside", join(root, "a/sly"));
const handle = DirectoryHandle.open(root);
afterAll(async () => {
  handle.close();
  await folder[Symbol.asyncDispose]();
});

const names = (path: string, followAbsolute = false): string[] => {
  using directory = openInside(handle, path.split("/").filter(Boolean), followAbsolute);
  return directory.names().map(String).toSorted();
};

test("paths never climb above the root", () => {
  expect(parseRequestedPath("../../etc/passwd")).toEqual({
    components: ["etc", "passwd"],
    isContent: false,
  });
  expect(parseRequestedPath("a/../..//b/./c/")).toEqual({
    components: ["b", "c"],
    isContent: true,
  });
  expect(parseRequestedPath("")).toEqual({ components: [], isContent: true });
  expect(parseRequestedPath("a/.")).toEqual({ components: ["a"], isContent: true });
  const part = fc.constantFrom("..", ".", "", "a", "..a", "...");
  fc.assert(
    fc.property(fc.array(part), (parts) => {
      const { components } = parseRequestedPath(parts.join("/"));
      expect(components.filter((name) => ["", ".", ".."].includes(name))).toEqual([]);
    }),
  );
});

test("links are followed inside and nowhere else", () => {
  expect(names("a/b/c")).toEqual(["here"]);
  expect(names("a/down")).toEqual(["here"]);
  expect(names("a/twice")).toEqual(["here"]);
  expect(names("absolute", true)).toEqual(["c"]);
  expect(() => names("absolute")).toThrow("leads out");
  expect(() => names("a/out")).toThrow("leads out");
  expect(() => names("a/sly")).toThrow("leads out");
  expect(() => names("loop")).toThrow("leads out");
  expect(() => names("a/nothing")).toThrow("ENOENT");
  expect(() => names("a/b/c/here")).toThrow("ENOTDIR");
});

test("a held directory stays the same when its path becomes a link", () => {
  mkdirSync(join(root, "swapped"));
  writeFileSync(join(root, "swapped/inside"), "");
  using directory = openInside(handle, ["swapped"]);
  rmSync(join(root, "swapped"), { recursive: true });
  symlinkSync("../beside", join(root, "swapped"));
  expect(directory.names()).toEqual([]);
});
