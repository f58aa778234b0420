import {
  chmodSync,
  chownSync,
  linkSync,
  lutimesSync,
  mkdirSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { type CompareOptions, treeDifferences } from "./support/compare-trees.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import {
  lines,
  makePlacementDestination,
  makePlacementSource,
  NEW,
  OLD,
  put,
} from "./support/placement-trees.ts";
import { run } from "./support/processes.ts";
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

/** Of these the sender has the first alone. */
const MISSING = ["same", "extra~", "extra-dir", "dir/extra", "not anywhere"];

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
  { args: ["-a", "--delete-missing-args"], paths: MISSING },
  { args: ["-aH", "--delete-missing-args", "--force"], paths: MISSING },
  { args: ["-anX", "--delete-missing-args"], paths: MISSING },
  {
    args: ["-aRA", "--delete-missing-args"],
    paths: ["same", "no/such", "dir/extra", "dir/sub/no"],
  },
  { args: ["-aK"], prepare: linkedDirectories },
  { args: ["-aHK", "--delete", "--filter=P real*"], prepare: linkedDirectories },
  { args: ["-aK", "--delete-after", "--force"], prepare: linkedDirectories },
  { args: ["-anK", "--no-inc-recursive"], prepare: linkedDirectories },
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
  { args: ["-a", "--partial"] },
  { args: ["-aP", "--delete"] },
  { args: ["-a", "--partial-dir=.part", "--delete"], prepare: partialTree },
  { args: ["-a", "--partial-dir=../part"], prepare: partialTree },
  { args: ["-a", "--temp-dir={root}/temp"], prepare: (root) => mkdirSync(join(root, "temp")) },
  { args: ["-aT", "/dev/shm", "--partial-dir=.part"], prepare: partialTree },
  { args: ["-aH", "--delay-updates", "--delete-after"] },
  { args: ["-aH", "--delay-updates", "--partial-dir=.part", "--temp-dir=/dev/shm"] },
  { args: ["-aH", "--inplace", "--delete"], prepare: linkedTree },
  { args: ["-aS", "--inplace", "--force"], prepare: linkedTree },
  { args: ["-aW", "--inplace", "--delete"], prepare: linkedTree },
  { args: ["-a", "--append", "--delete"], prepare: appendTree },
  { args: ["-a", "--append-verify"], prepare: appendTree },
  { args: ["-a", "--append", "-b"], prepare: appendTree },
  { args: ["-ab"], prepare: linkedTree },
  { args: ["-aHb", "--delete", "--suffix=.old"] },
  { args: ["-ab", "--delete-excluded"] },
  { args: ["-a", "--delete", "--backup-dir=../kept", "--suffix=.1"], prepare: keptTree },
  { args: ["-a", "--delete", "--backup-dir={root}/deep/kept"] },
  { args: ["-ab", "--inplace", "--delete"], prepare: linkedTree },
  { args: ["-a", "--inplace", "--backup-dir=kept"], prepare: linkedTree },
  { args: ["-ab", "--delay-updates", "--delete-delay"] },
  { args: ["-abn", "--delete"] },
  { args: ["-ab", "--delete"], prepare: longNameTree },
  { args: ["-aH", "--delay-updates"], prepare: oneFileTree },
  ...["link", "copy", "compare"].flatMap((use) => [
    { args: ["-aH", `--${use}-dest=../older`], prepare: olderTree, destination: "fresh/" },
    { args: ["-a", `--${use}-dest=../oldest`, `--${use}-dest=../older`], prepare: olderTree },
    // What is copied from there is written, also where it lies at the same place.
    {
      args: ["-aI", "--inplace", `--${use}-dest=../older`],
      prepare: olderTree,
      destination: "fresh/",
    },
    // Nobody looks there for a link that comes in place of a directory.
    { args: ["-a", "--delete", `--${use}-dest=../older`], prepare: olderTree },
  ]),
  { args: ["-ac", "--compare-dest=../older"], prepare: olderTree },
  { args: ["-acn", "--link-dest=../older"], prepare: olderTree, destination: "fresh/" },
  // Nothing makes way for what is passed over.
  { args: ["-a", "--min-size=9", "--delete"], prepare: directoriesInTheWay },
  { args: ["-a", "--max-size=1", "--safe-links"], prepare: directoriesInTheWay },
  { args: ["-a", "--link-dest=../older", "--force"], prepare: directoriesInTheWay },
  { args: ["-rlt", "-I", "--size-only"] },
  // Where permissions are not kept, those of the basis are; and the time of a copy is told where times are not kept.
  { args: ["-rltE", "--compare-dest=../older"], prepare: olderTree, destination: "fresh/" },
  {
    args: ["-rl", "--size-only", "--copy-dest=../older"],
    prepare: olderTree,
    destination: "fresh/",
    compare: { times: "none" },
  },
  { args: ["-aii", "--copy-dest=../older"], prepare: olderTree, destination: "fresh/" },
  { args: ["-rlpt"], prepare: setGidTree },
  ...[["-a"], ["-ac"], ["-a", "--modify-window=1"], ["-a", "-@-1", "--protocol=30"]].map(
    (args) => ({ args, prepare: laterTree }),
  ),
  {
    args: ["-a", "--list-only", "--delete", "--backup-dir=../kept", "--temp-dir=/tmp"],
    prepare: (root) => put(join(root, "dest"), "dir/sub/more", ""),
  },
  { args: ["-an"], prepare: fileForDirectories },
  {
    args: ["-aX", "--filter=-x user.mine"],
    prepare: attributedTree,
    compare: { attributes: true },
  },
  { args: ["-aR", "--no-implied-dirs", "--delete"], paths: ["dir/sub", "dir"] },
  { args: ["-a", "--files-from={root}/list", "--no-implied-dirs"], prepare: listTree },
  { args: ["-a", "--fake-super"], prepare: setIdTree, compare: { attributes: true } },
  { args: ["-an", "--fake-super"], prepare: recordedTree, compare: { attributes: true } },
  {
    args: ["-a", "--fake-super", "--copy-dest=../older"],
    prepare: olderTree,
    destination: "fresh/",
    compare: { attributes: true },
  },
  { args: ["-a"], prepare: setIdTree },
  { args: ["-rltoD", "--chown=:1"], prepare: setIdTree },
];

/** Where the sender has small files and a link that leads out. */
function directoriesInTheWay(root: string): void {
  for (const name of ["mode", "same"]) rmSync(join(root, "dest", name));
  for (const name of ["mode", "same", "link-out"]) mkdirSync(join(root, "dest", name));
  put(join(root, "dest"), "only-there/in-it", "in the way");
  put(join(root, "older"), "same", "the same");
}

/** One that gives its group to what is made in it, as nothing of the sender's does. */
function setGidTree(root: string): void {
  chownSync(join(root, "dest/dir"), process.getuid?.() ?? 0, groupBesideOurs());
  chmodSync(join(root, "dest/dir"), 0o2755);
}

function groupBesideOurs(): number {
  return process.getuid?.() === 0 ? 1 : (process.getgid?.() ?? 0);
}

/** The same, a part of a second later, and with modes that are not. */
function laterTree(root: string): void {
  for (const name of ["same", "mode", "dir/inner", "link", "dir"]) {
    lutimesSync(join(root, "dest", name), OLD + 0.25, OLD + 0.25);
  }
  chmodSync(join(root, "dest/dir"), 0o700);
}

/** Names a directory and what is in it. */
function listTree(root: string): void {
  put(root, "list", "dir/inner\ndir\nnew-dir/b/c\n");
  chmodSync(join(root, "dest/dir"), 0o700);
}

/** Files of others with set-id bits, which go when their owner is set. */
function setIdTree(root: string): void {
  for (const [name, mode] of [
    ["same", 0o4755],
    ["mode", 0o2744],
    ["dir/inner", 0o6644],
  ] as const) {
    const path = join(root, "dest", name);
    if (process.getuid?.() === 0) chownSync(path, 7, 8);
    chmodSync(path, mode);
  }
}

/** A file of another's, of which is written down that it is nobody else's. */
function recordedTree(root: string): void {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  using dest = DirectoryHandle.open(join(root, "dest"));
  dest.setXattr(Buffer.from("same"), "user.rsync.%stat", Buffer.from(`100644 0,0 ${uid}:${gid}`));
  dest.chmod(Buffer.from("same"), 0o600);
}

function fileForDirectories(root: string): void {
  put(join(root, "dest"), "new-dir", "in the way");
  put(join(root, "dest"), "empty-dir", "in the way");
}

function attributedTree(root: string): void {
  using dest = DirectoryHandle.open(join(root, "dest"));
  for (const name of ["same", "grown"]) {
    dest.setXattr(Buffer.from(name), "user.mine", Buffer.from("stays, if the file does"));
    dest.setXattr(Buffer.from(name), "user.other", Buffer.from("goes"));
  }
}

/**
 * Links to directories where the sender has directories: within the destination, out of it, to a file, and to nothing. One through
 * another, and one that climbs within the destination, too.
 */
function linkedDirectories(root: string): void {
  const dest = join(root, "dest");
  put(root, "out/kept", "outside");
  rmSync(join(dest, "was-file"));
  renameSync(join(dest, "dir"), join(dest, "real-dir"));
  mkdirSync(join(dest, "real/below/new"), { recursive: true });
  mkdirSync(join(dest, "real/deep"));
  for (const [name, target] of [
    ["dir", "real-dir"],
    ["new-dir", "real/below/../link"],
    ["was-file", "../out"],
    ["empty-dir", "nothing"],
    ["real/link", "deep"],
  ] as const) {
    symlinkSync(target, join(dest, name));
    // The real rsync gives the link the time of the directory.
    lutimesSync(join(dest, name), OLD, OLD);
  }
}

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

/** What came of files before; of one that is not there, of one that is older here, and of one that needs nothing. */
function partialTree(root: string): void {
  for (const directory of ["dest/.part", "dest/new-dir/b/.part", "part"]) {
    put(root, `${directory}/shifted`, lines(500));
    put(root, `${directory}/c`, lines(100));
    put(root, `${directory}/same`, "of no use");
    chmodSync(join(root, directory), 0o700);
  }
}

/** A name that has no room for a suffix: its file stays, and the others go nevertheless. */
function longNameTree(root: string): void {
  put(join(root, "dest"), "x".repeat(255), "cannot be kept");
}

/** What the sender has as one file is one here as well, with other content. */
function oneFileTree(root: string): void {
  put(join(root, "dest"), "hard-1", "of old");
  linkSync(join(root, "dest/hard-1"), join(root, "dest/dir/hard-2"));
}

/** Files with a second name, as in an older snapshot. */
function linkedTree(root: string): void {
  mkdirSync(join(root, "older"));
  utimesSync(join(root, "dest/dir"), NEW, NEW);
  for (const name of ["grown", "shifted", "shrunk"]) {
    linkSync(join(root, "dest", name), join(root, "older", name));
  }
  put(join(root, "dest"), "touched", `${"\0".repeat(20_000)}not empty`, OLD, 0o400);
  using dest = DirectoryHandle.open(join(root, "dest"));
  dest.setTimes(Buffer.from("touched"), { mtimeSec: OLD, mtimeNsec: 123_456_789 });
}

/** An earlier copy, in which much is the same, and some is nearly so. */
function olderTree(root: string): void {
  makePlacementSource(join(root, "older"));
  put(join(root, "older"), "mode", "mode", OLD, 0o640);
  put(join(root, "older"), "grown", lines(3_000));
  put(join(root, "older"), "dir/changed", "inner changed", OLD);
  rmSync(join(root, "older/relinked"));
  symlinkSync("an old target", join(root, "older/relinked"));
  lutimesSync(join(root, "older/relinked"), OLD, OLD);
  makePlacementDestination(join(root, "oldest"));
  rmSync(join(root, "older/new-dir/b"), { recursive: true });
  chmodSync(join(root, "older/empty-dir"), 0o700);
}

/** Files whose beginnings are here, one of them with other content. */
function appendTree(root: string): void {
  put(join(root, "dest"), "grown", lines(1_000));
  put(join(root, "dest"), "shifted", `IN FRONT\n${lines(900)}`);
  put(join(root, "dest"), "shrunk", lines(2_000));
}

/** Backups of an earlier time, some of them in the way. */
function keptTree(root: string): void {
  put(root, "kept/dir", "a file in the way");
  put(root, "kept/grown.1/x", "a directory in the way");
  put(root, "kept/shrunk.1", "an older backup");
}

/**
 * Lines of `-i` that may differ: of a hard link group any member may be the one that is transferred; the real rsync tells of what is
 * in the way of a backup, and tells twice of a file that came wrong at first; and tells of a directory that it then finds out of
 * reach (`-K`).
 */
const UNTOLD = / (dir\/)?hard-\d|deleting +\.\.\/kept|^>f\.\.t\.{6} shifted|^\.d\S+ was-file\//;

/** The lines of `-i`, sorted. Real rsync writes with two processes: with `-P` a delete may stand behind progress that is not ended yet. */
function itemized(stdout: string): string[] {
  return stdout
    .split(/\n|(?=\*deleting )/)
    .map((line) => line.trimEnd())
    .filter((line) => /^(\*deleting |[<>ch.][fdLDS])/.test(line) && !UNTOLD.test(line))
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

    it.concurrent.each(cases)(
      "$title",
      async ({ args, prepare, paths, compare, destination, index }) => {
        const roots = { real: dir.at(`real-${index}`), ours: dir.at(`ours-${index}`) };
        for (const root of Object.values(roots)) {
          makePlacementDestination(join(root, "dest"));
          prepare?.(root);
        }
        const sources = (paths ?? [""]).map((path) => daemon.url("src", path));
        const lineFor = (root: string): string[] => [
          ...args.map((arg) => arg.replace("{root}", root)),
          "-i",
          ...sources,
          destination ?? "dest/",
        ];
        const [real, ours] = await Promise.all([
          run(requirePeer("rsync"), lineFor(roots.real), { cwd: roots.real }),
          callDialhome(["rsync", ...lineFor(roots.ours)], { cwd: roots.ours }),
        ]);
        expect(ours.code, `${real.stderr}${ours.stderr}`).toBe(real.code);
        expect(itemized(ours.stdout)).toEqual(itemized(real.stdout));
        const times = compare?.times ?? "not-of-folders";
        expect(treeDifferences(roots.real, roots.ours, { ...compare, times })).toEqual([]);
      },
    );
  },
);
