import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CompareOptions, treeDifferences } from "./support/compare-trees.ts";
import { runDialhome } from "./support/dialhome-cli.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { makePlacementDestination, makePlacementSource, put } from "./support/placement-trees.ts";
import { type Ended, run } from "./support/processes.ts";
import { type RealRsyncd, startRealRsyncd } from "./support/real-rsyncd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

interface Case {
  readonly args: readonly string[];
  /** Changes what is there before, in the directory that holds `dest`. */
  readonly prepare?: (root: string) => void;
  /** Path in the module; several are several sources. @defaultValue [""] */
  readonly paths?: readonly string[];
  readonly compare?: CompareOptions;
  /** The destination within the directory. @defaultValue "dest/" */
  readonly destination?: string;
}

const CASES: readonly Case[] = [
  { args: ["-aL"] },
  { args: ["-ak"] },
  { args: ["-a", "--copy-unsafe-links"] },
  { args: ["-am", "--delete"] },
  { args: ["-am", "--include=*/", "--include=c", "--exclude=*", "--delete"] },
  { args: ["-a", "--max-size=1k"] },
  { args: ["-aH", "--min-size=8-1", "--max-size=1.5K+1"] },
  { args: ["-a", "--mkpath"], destination: "not/yet/there/" },
  { args: ["-a", "--mkpath"], destination: "not/yet/there/renamed", paths: ["same"] },
  { args: ["-a", "--fsync", "--bwlimit=100m"] },
  { args: ["-a", "--ignore-missing-args"], paths: ["dir", "no such", "same"] },
  { args: ["-a", "--stop-after=5"] },
  ...["--delete-before", "--delete-during", "--delete-delay", "--delete-after"].flatMap((when) => [
    { args: ["-aH", when] },
    { args: ["-a", when, "--max-delete=3"] },
    { args: ["-an", when, "--filter=P extra.o"] },
  ]),
  { args: ["-a", "--delete", "--max-delete=-1", "--force"] },
  { args: ["-a", "--delete", "--exclude=*.o", "--exclude=inner"] },
  { args: ["-a", "--delete-excluded", "--exclude=*.o", "--exclude=inner", "--filter=P er"] },
  { args: ["-a", "--delete", "--filter=-p *.o", "--filter=R kept.o", "--filter=P,r *o"] },
  { args: ["-aC", "--delete"], prepare: cvsTree },
  { args: ["-aC", "--delete-excluded"], prepare: cvsTree },
  { args: ["-aF", "--delete"], prepare: filterTree },
  { args: ["-aFF", "--delete-after"], prepare: filterTree },
  { args: ["-aFF", "--delete-delay", "--no-inc-recursive"], prepare: filterTree },
  { args: ["-a", "--delete", "--filter=:n- .hidden", "--filter=. rules"], prepare: filterTree },
  { args: ["-a", "--delete", "--filter=merge rules", "--exclude-from=list"], prepare: filterTree },
  { args: ["-dlpt", "--delete"] },
];

/** What CVS ignores, and what a file says that it ignores. */
function cvsTree(root: string): void {
  for (const name of [
    "dir/old.o",
    "dir/core",
    "extra-dir/x.bak",
    "dir/mine",
    "dir/sub/CVS/Entries",
  ]) {
    put(join(root, "dest"), name, name);
  }
  put(join(root, "dest"), "dir/.cvsignore", "mine extra\n");
}

/**
 * Rule files in the destination and beside it. No directory is in the way of a file: rsync 3.5 forgets the rules from above the
 * destination after it has emptied one.
 */
function filterTree(root: string): void {
  for (const name of ["was-dir", "dir-to-link"])
    rmSync(join(root, "dest", name), { recursive: true });
  put(root, ".rsync-filter", "- extra~\n");
  put(join(root, "dest"), "dir/.rsync-filter", "# kept\n- extra\n-! /sub/\n");
  put(join(root, "dest"), "extra-dir/.rsync-filter", "P er\n-p *.o\n");
  put(join(root, "dest"), ".hidden", "extra\n");
  put(root, "rules", "P /dir/sub/*\nH only-there\n");
  put(root, "list", "; nothing\nkept.o\n+ /same\n- /sam?\n");
}

/** The lines of `-i`, sorted, without those of a hard link group: any of it may be the one that is transferred. */
function itemized({ stdout }: Ended): string[] {
  return stdout
    .split("\n")
    .filter((line) => /^(\*deleting |[<>ch.][fdLDS])/.test(line) && !/ (dir\/)?hard-\d/.test(line))
    .toSorted();
}

describeWithPeers(
  ["rsync"],
  "where files are written and deleted, as the real rsync does it",
  () => {
    let dir: TempDir;
    let daemon: RealRsyncd;

    beforeAll(async () => {
      dir = tempDir();
      makePlacementSource(dir.at("src"));
      daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    });

    afterAll(async () => {
      await daemon[Symbol.asyncDispose]();
      await dir[Symbol.asyncDispose]();
    });

    const cases = CASES.map((each, index) => ({ ...each, index, title: each.args.join(" ") }));

    it.each(cases)("$title", async ({ args, prepare, paths, compare, destination, index }) => {
      const roots = { real: dir.at(`real-${index}`), ours: dir.at(`ours-${index}`) };
      for (const root of Object.values(roots)) {
        makePlacementDestination(join(root, "dest"));
        prepare?.(root);
      }
      const sources = (paths ?? [""]).map((path) => daemon.url("src", path));
      const line = [...args, "-i", ...sources, destination ?? "dest/"];
      const [real, ours] = await Promise.all([
        run(requirePeer("rsync"), line, { cwd: roots.real }),
        runDialhome(["rsync", ...line], { cwd: roots.ours }),
      ]);
      expect({ code: ours.code, stderr: ours.stderr }).toMatchObject({ code: real.code });
      expect(itemized(ours)).toEqual(itemized(real));
      const times = compare?.times ?? "not-of-folders";
      expect(treeDifferences(roots.real, roots.ours, { ...compare, times })).toEqual([]);
    });
  },
);
