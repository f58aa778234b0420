import {
  chmodSync,
  linkSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { callDialhome } from "./dialhome-main.ts";
import { requirePeer } from "./peers.ts";
import { run } from "./processes.ts";
import { type SeededRandom, seededRandom } from "./random.ts";
import { startRealRsyncd } from "./real-rsyncd.ts";
import { tempDir } from "./temp-dir.ts";

const FOLDERS = ["", "a/", "a/b/", "c/", "d/"];
const NAMES = ["1", "2", "3", "4"];
/** The group that is a symbolic link. */
const LINK_GROUP = 5;
const PROTOCOLS = [32, 31, 30, 29];

/** Names of one group each; the number is its content. */
function groupsOf(random: SeededRandom): Map<string, number> {
  const groups = new Map<string, number>();
  for (const folder of FOLDERS)
    for (const name of NAMES)
      if (random.below(3) > 0) groups.set(`${folder}${name}`, random.below(LINK_GROUP + 1));
  return groups;
}

function write(root: string, groups: ReadonlyMap<string, number>): void {
  const first = new Map<number, string>();
  mkdirSync(root, { recursive: true });
  for (const [name, group] of groups) {
    const path = `${root}/${name}`;
    mkdirSync(dirname(path), { recursive: true });
    const other = first.get(group);
    if (other !== undefined) {
      linkSync(other, path);
      continue;
    }
    first.set(group, path);
    if (group === LINK_GROUP) symlinkSync("target", path);
    else {
      writeFileSync(path, String(group).repeat(group + 3));
      utimesSync(path, 1_500_000_000 + group, 1_500_000_000 + group);
    }
  }
}

/** Like the source, with names less, contents and modes of its own, and other links. */
function writeChanged(
  root: string,
  groups: ReadonlyMap<string, number>,
  random: SeededRandom,
): void {
  const first = new Map<number, string>();
  mkdirSync(root, { recursive: true });
  for (const [name, group] of groups) {
    if (random.below(3) === 0) continue;
    const path = `${root}/${name}`;
    mkdirSync(dirname(path), { recursive: true });
    const other = first.get(group);
    if (other !== undefined && random.below(2) === 0) {
      linkSync(other, path);
      continue;
    }
    if (group === LINK_GROUP) {
      symlinkSync(random.below(2) ? "target" : "elsewhere", path);
      continue;
    }
    first.set(group, path);
    const kind = random.below(5);
    writeFileSync(path, kind === 0 ? "old" : String(group).repeat(group + 3));
    const time = 1_500_000_000 + group + (kind === 1 ? -5 : kind === 2 ? 5 : 0);
    utimesSync(path, time, time);
    if (kind === 3) chmodSync(path, 0o600);
  }
  if (random.below(3) === 0) mkdirSync(`${root}/extra/x`, { recursive: true });
}

function setTimes(root: string, time: number): void {
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" }).toReversed()) {
    const path = `${root}/${name}`;
    const stat = lstatSync(path);
    if (stat.isDirectory()) utimesSync(path, time, time);
    else if (stat.isSymbolicLink()) lutimesSync(path, time, time);
  }
  utimesSync(root, time, time);
}

/** What is told of entries and errors. */
function lines(text: string): string[] {
  const others =
    /^(sent |total size|created directory|receiving |building |delta-trans|opening|total: m|sending daemon)/;
  return text.split("\n").filter((line) => line !== "" && !others.test(line));
}

/**
 * Has groups of hard links pulled over others of them, by the real rsync and by ours from the same daemon.
 * @param all - options, each of which is tried by itself with a protocol and a kind of recursion from the seed
 * @returns where their lines differ; empty when they do not
 */
export async function compareHardLinkLines(
  seed: string,
  all: readonly string[],
): Promise<readonly string[]> {
  await using scratch = tempDir();
  await using daemon = await startRealRsyncd({ modules: { m: { path: scratch.at("src") } } });
  const random = seededRandom(seed);
  const groups = groupsOf(random);
  const isEmpty = random.below(4) === 0;
  write(scratch.at("src"), groups);
  setTimes(scratch.at("src"), 1_400_000_000);
  const failures: string[] = [];
  for (const options of all) {
    const recursion = random.pick(["--inc-recursive", "--no-inc-recursive"]);
    const args = [...options.split(" "), `--protocol=${random.pick(PROTOCOLS)}`, recursion];
    const told: string[] = [];
    for (const way of ["real", "ours"] as const) {
      const cwd = scratch.at(way);
      rmSync(cwd, { recursive: true, force: true });
      mkdirSync(cwd);
      for (const name of isEmpty ? ["ref"] : ["dest", "ref"]) {
        writeChanged(scratch.at(way, name), groups, seededRandom(`${name} ${seed}`));
        setTimes(scratch.at(way, name), name === "ref" ? 1_400_000_000 : 1_450_000_000);
      }
      const line = [...args, daemon.url("m"), "dest/"];
      const env = { LC_ALL: "C" };
      const { stdout, stderr, code } =
        way === "real"
          ? await run(requirePeer("rsync"), line, { cwd, env })
          : await callDialhome(["rsync", ...line], { cwd, env });
      let text = [...lines(stdout), ...lines(stderr), `code ${code}`];
      // When rsync tells of what is up to date is a race of its two processes; and of some links it tells twice then.
      if (/^-[a-zA-Z]*vv/.test(options) && !/^-[a-zA-Z]*i/.test(options))
        text = [...new Set(text)].toSorted();
      // In a dry run it shows the whole path of a leader that would be taken from elsewhere, once its list is finished.
      told.push(text.join("\n").replaceAll(/=> \S*\/dest\/\.\.\/ref\//g, "=> "));
    }
    const [theirs, ours] = told;
    if (theirs !== ours)
      failures.push(`${seed}: ${args.join(" ")}\n--- rsync\n${theirs}\n--- ours\n${ours}\n`);
  }
  return failures;
}
