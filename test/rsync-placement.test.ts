import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CompareOptions, treeDifferences } from "./support/compare-trees.ts";
import { runDialhome } from "./support/dialhome-cli.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { makePlacementDestination, makePlacementSource } from "./support/placement-trees.ts";
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
];

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
