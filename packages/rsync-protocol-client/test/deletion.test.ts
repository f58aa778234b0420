import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { parseSentFilter, RsyncError, Wire } from "@dialhome/rsync-protocol";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Deletion, type DeletionOptions } from "../src/deletion.ts";
import { DestinationTree } from "../src/destination-tree.ts";
import { LocalFilters } from "../src/local-filters.ts";
import { Tally } from "../src/tally.ts";

let root = "";
let wire: Wire;
let tree: DestinationTree;
let tally: Tally;

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "dialhome-delete-"));
  mkdirSync(join(root, "d/e"), { recursive: true });
  for (const name of ["a", "b.o", "d/c", "d/e/f.o"]) writeFileSync(join(root, name), name);
  symlinkSync("a", join(root, "link"));
  wire = new Wire(duplexPair()[0]);
  tree = new DestinationTree(DirectoryHandle.open(root));
  tally = new Tally(undefined, undefined);
});

afterEach(() => {
  wire.release();
  tree[Symbol.dispose]();
  rmSync(root, { recursive: true, force: true });
});

function deletionWith(rules: readonly string[], options: DeletionOptions = {}): Deletion {
  const filters = new LocalFilters(tree, rules.map(parseSentFilter), {});
  return new Deletion(tree, tally, wire, filters, options);
}

const left = (): string[] => readdirSync(root, { recursive: true, encoding: "utf8" }).toSorted();

describe("Deletion", () => {
  it("removes what is not kept, links themselves, and tells content before its directory", async () => {
    const told: string[] = [];
    await deletionWith([], { onDelete: ({ name }) => told.push(name) }).sweep(".", new Set(["a"]));
    expect(left()).toEqual(["a"]);
    expect(told.toSorted()).toEqual(["b.o", "d", "d/c", "d/e", "d/e/f.o", "link"]);
    expect(told.indexOf("d")).toBeGreaterThan(told.indexOf("d/e"));
    expect(tally.deleted).toEqual({
      files: 3,
      directories: 2,
      symlinks: 1,
      devices: 0,
      specials: 0,
    });
  });

  it("with -x removes no directory of another file system, nor what is in it", async () => {
    const { dev } = tree.root.stat();
    const spy = vi.spyOn(DirectoryHandle.prototype, "stat");
    // What holds the entries says that it lies elsewhere, so that each directory in it is a mount point.
    spy.mockReturnValue({ ...tree.root.stat(), dev: dev + 1 });
    await deletionWith([], { oneFileSystem: true }).sweep(".", new Set(["a"]));
    expect(left()).toEqual(["a", "d", "d/c", "d/e", "d/e/f.o"]);
    spy.mockRestore();
    await deletionWith([], { oneFileSystem: true }).sweep(".", new Set(["a"]));
    expect(left()).toEqual(["a"]);
  });

  it("keeps what a rule excludes, and the directories around it", async () => {
    await deletionWith(["- *.o"]).sweep(".", new Set(["a"]));
    expect(left()).toEqual(["a", "b.o", "d", "d/e", "d/e/f.o"]);
    expect(tally.problems).toEqual([]);
  });

  it("keeps a perishable one only where its directory stays", async () => {
    await deletionWith(["-p *.o"]).sweep(".", new Set(["a"]));
    expect(left()).toEqual(["a", "b.o"]);
  });

  it("obeys the rule files of the directories that it goes through", async () => {
    writeFileSync(join(root, "d/.rules"), "- c\n");
    writeFileSync(join(root, "d/e/.rules"), "+ c\n- *.o\n");
    symlinkSync("d/.rules", join(root, ".rules"));
    await deletionWith([": .rules"]).sweep(".", new Set());
    expect(left()).toEqual(["d", "d/c", "d/e", "d/e/f.o"]);
  });

  it("notes what it finds, and removes it later", async () => {
    const deletion = deletionWith([]);
    const before = left();
    await deletion.sweep(".", new Set(["a"]), true);
    expect(left()).toEqual(before);
    await deletion.removeDelayed();
    expect(left()).toEqual(["a"]);
  });

  it("stops at the limit, the last names first, and says so", async () => {
    const told: string[] = [];
    const options: DeletionOptions = { maxDelete: 2, onDelete: ({ name }) => told.push(name) };
    const deletion = deletionWith([], options);
    await deletion.sweep(".", new Set());
    deletion.finish();
    expect(told).toEqual(["d/e/f.o", "d/e"]);
    expect(left()).toEqual(["a", "b.o", "d", "d/c", "link"]);
    expect(tally.exitCode).toBe(25);
  });

  it("does not protect by a rule of the sender alone", async () => {
    await deletionWith(["-s *.o"]).sweep(".", new Set(["a"]));
    expect(left()).toEqual(["a"]);
  });

  it("changes nothing in a dry run, and counts the same", async () => {
    const before = left();
    await deletionWith([], { dryRun: true }).sweep(".", new Set());
    expect(left()).toEqual(before);
    expect(tally.deleted).toMatchObject({ files: 4, directories: 2, symlinks: 1 });
  });

  it("makes way without telling of the directory itself", async () => {
    const told: string[] = [];
    expect(
      await deletionWith([], { onDelete: ({ name }) => told.push(name) }).makeWay(".", "d"),
    ).toBe(true);
    expect(told.toSorted()).toEqual(["d/c", "d/e", "d/e/f.o"]);
    expect(await deletionWith([]).makeWay(".", "d")).toBe(true);
  });

  it("is ended by a caller that throws", async () => {
    const deletion = deletionWith([], {
      onDelete: () => {
        throw new Error("enough");
      },
    });
    await expect(deletion.sweep(".", new Set())).rejects.toThrow(RsyncError);
  });
});
