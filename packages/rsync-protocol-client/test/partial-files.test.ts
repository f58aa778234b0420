import {
  existsSync,
  mkdirSync,
  mkdtempSync,
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
import { PartialFiles } from "../src/partial-files.ts";

let root = "";
let tree: DestinationTree;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "dialhome-partial-"));
  mkdirSync(join(root, "d"));
  tree = new DestinationTree(DirectoryHandle.open(root));
});

afterEach(() => {
  tree[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

describe("PartialFiles", () => {
  it("lie beside their places, in a directory that comes and goes", () => {
    const partials = new PartialFiles(tree, ".p");
    expect(partials.stat("d/file")).toBeUndefined();
    writeFileSync(join(root, "d/.p"), "in the way");
    partials.make("d/file").close();
    expect(statSync(join(root, "d/.p")).mode & 0o777).toBe(0o700);
    writeFileSync(join(root, "d/.p/file"), "part");
    writeFileSync(join(root, "d/.p/other"), "part");
    expect(partials.stat("d/file")?.size).toBe(4);
    partials.remove("d/file");
    expect(existsSync(join(root, "d/.p/file"))).toBe(false);
    partials.remove("d/other");
    expect(existsSync(join(root, "d/.p"))).toBe(false);
    partials.remove("d/other");
  });

  it("follow no symbolic link beside their places", () => {
    mkdirSync(join(root, "elsewhere"));
    writeFileSync(join(root, "elsewhere/file"), "of somebody else");
    symlinkSync("../elsewhere", join(root, "d/.p"));
    const partials = new PartialFiles(tree, ".p");
    expect(partials.stat("d/file")).toBeUndefined();
    partials.remove("d/file");
    partials.make("d/file").close();
    expect(existsSync(join(root, "elsewhere/file"))).toBe(true);
    expect(statSync(join(root, "d/.p")).ino).not.toBe(statSync(join(root, "elsewhere")).ino);
  });

  it("lie in one directory for all, which stays", () => {
    const where = join(root, "parts");
    const partials = new PartialFiles(tree, where);
    partials.make("d/file").close();
    writeFileSync(join(where, "file"), "part");
    expect(partials.stat("d/file")?.size).toBe(4);
    partials.remove("d/file");
    expect(existsSync(where)).toBe(true);
  });
});
