import { mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { duplexPair } from "node:stream";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { FilterChain, parseSentFilter, RsyncError, Wire } from "@dialhome/rsync-protocol";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { Deletion } from "../src/deletion.ts";
import { DestinationTree } from "../src/destination-tree.ts";
import type { PullOptions } from "../src/index.ts";
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

function deletionWith(
  rules: readonly string[],
  options: Pick<PullOptions, "dryRun" | "onDelete"> = {},
): Deletion {
  const chain = new FilterChain(rules.map(parseSentFilter), { side: "receiver" });
  return new Deletion(tree, tally, wire, chain, options);
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

  it("keeps what a rule excludes, and the directories around it", async () => {
    await deletionWith(["- *.o"]).sweep(".", new Set(["a"]));
    expect(left()).toEqual(["a", "b.o", "d", "d/e", "d/e/f.o"]);
    expect(tally.problems).toEqual([]);
  });

  it("keeps a perishable one only where its directory stays", async () => {
    await deletionWith(["-p *.o"]).sweep(".", new Set(["a"]));
    expect(left()).toEqual(["a", "b.o"]);
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
