import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { parseSentFilter } from "@dialhome/rsync-protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { DestinationTree } from "../src/destination-tree.ts";
import { LocalFilters } from "../src/local-filters.ts";

let above = "";
let tree: DestinationTree;

beforeEach(() => {
  above = mkdtempSync(join(tmpdir(), "dialhome-filters-"));
  mkdirSync(join(above, "dest/a/b"), { recursive: true });
  mkdirSync(join(above, "dest/c"));
  tree = new DestinationTree(DirectoryHandle.open(join(above, "dest")));
});

afterEach(() => {
  tree[Symbol.dispose]();
  rmSync(above, { recursive: true, force: true });
});

const filtersWith = (...rules: string[]): LocalFilters =>
  new LocalFilters(tree, rules.map(parseSentFilter), {});

describe("LocalFilters", () => {
  it("takes on and lets go of the rules of directories as it walks", () => {
    writeFileSync(join(above, "dest/.r"), "- root\n");
    writeFileSync(join(above, "dest/a/.r"), "- /b/x\n");
    writeFileSync(join(above, "dest/c/.r"), "- z\n");
    const filters = filtersWith(": .r");
    expect(filters.walkTo(".").excluded("root", false)).toBe(true);
    expect(filters.walkTo("a/b").excluded("a/b/x", false)).toBe(true);
    expect(filters.at("c").excluded("c/z", false)).toBe(true);
    const inC = filters.walkTo("c");
    expect(inC.excluded("c/z", false)).toBe(true);
    expect(inC.excluded("a/b/x", false)).toBe(false);
    expect(inC.excluded("c/root", false)).toBe(true);
  });

  it("reads rule files above the destination where a rule begins there", () => {
    writeFileSync(join(above, ".r"), "- kept\n");
    expect(filtersWith(": /.r").walkTo("a").excluded("a/kept", false)).toBe(true);
    expect(filtersWith(": .r").walkTo("a").excluded("a/kept", false)).toBe(false);
  });

  it("reads nothing in directories that are not there", () => {
    expect(filtersWith(": .r").walkTo("no/such").excluded("no/such/x", false)).toBe(false);
  });

  it("matches rules with a slash modifier from the root of the file system", () => {
    const filters = filtersWith(`-/ ${above}/dest/a/x`);
    expect(filters.walkTo("a").excluded("a/x", false)).toBe(true);
    expect(filters.walkTo("c").excluded("c/x", false)).toBe(false);
  });
});
