import { mkdirSync, renameSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import { type CompareOptions, treeDifferences } from "./compare-trees.ts";
import { startDialhome } from "./dialhome-cli.ts";
import { callDialhome } from "./dialhome-main.ts";
import { requirePeer } from "./peers.ts";
import { type Ended, run, runOk } from "./processes.ts";
import {
  changeRandomly,
  linkSomeFolders,
  printedNamesOfLinks,
  somePaths,
} from "./random-changes.ts";
import { makeRandomTree } from "./random-tree.ts";
import { startRealRsyncd } from "./real-rsyncd.ts";
import { tempDir } from "./temp-dir.ts";

/** One way to call rsync, compared over all states of the source. */
export interface DifferentialCase {
  readonly args: readonly string[];
  /** @defaultValue everything */
  readonly compare?: CompareOptions;
  /** What is compared: the destination alone, or also what came beside it. @defaultValue all */
  readonly only?: "dest";
  /** Lines of differences that are a fault of the real one. @defaultValue none are */
  readonly except?: RegExp;
  /** What is at the destination before the first pull: nothing, or a changed copy of the source. @defaultValue "nothing" */
  readonly start?: "nothing" | "copy";
  /**
   * What `../ref` is: nothing; a changed copy of the first source; or what the last pull has made, while the destination begins anew.
   * @defaultValue "nothing"
   */
  readonly reference?: "nothing" | "copy" | "last";
  /** The file `list` names about half of the source, with a NUL behind each path. */
  readonly hasList?: boolean;
  /** Some folders of the destination have moved, and links lead there, before every pull but the first. */
  readonly linksFolders?: boolean;
}

export interface DifferentialRun {
  readonly seed: string;
  readonly entries: number;
  /** Of the tree: see `RandomTreeOptions`. */
  readonly links?: "any" | "leading";
  /** How often the source is changed after the first pull. */
  readonly changes: number;
  readonly cases: readonly DifferentialCase[];
}

/** The three that must not differ: real from real, ours from real, real from ours. */
const WAYS = ["real", "client", "daemon"] as const;
type Way = (typeof WAYS)[number];

/** A rule file of the tree that makes no sense ends a session. */
const SYNTAX_ERROR = 1;

/** How many cases run side by side: they wait for processes more than they compute. */
const AT_ONCE = 4;
/** Names are shown alike. */
const LOCALE = { LC_ALL: "C" };

/** Numbers of `--stats` that must be the same; bytes of the data may differ by {@link DATA_TOLERANCE}. */
const COUNTS = [
  "Number of files",
  "Number of created files",
  "Number of deleted files",
  "Number of regular files transferred",
  "Total file size",
  "Total transferred file size",
];
const DATA = ["Literal data", "Matched data"];
const DATA_TOLERANCE = 0.02;

function statistic(output: string, name: string): string {
  return new RegExp(`^${name}: (.*)$`, "m").exec(output)?.[1] ?? "none";
}

function bytesOf(output: string, name: string): number {
  return Number(statistic(output, name).replaceAll(/[^\d]/g, ""));
}

/** Lines of `-i`. */
function itemized({ stdout }: Ended): string[] {
  return stdout.split("\n").filter((line) => /^(\*deleting |[<>ch.][fdLDS])/.test(line));
}

/** Names that came wrong at first, which the real rsync tells twice. */
function repeatedNames({ stderr }: Ended): string[] {
  const wrong = stderr.matchAll(/^WARNING: (.+) failed verification/gm);
  return [...wrong].map(([, name = ""]) => name);
}

/**
 * What the run of one way shows that the real one does not, one line each.
 * @param linked - names that are one file with others: which of them the lines are about is up to the client
 */
function outputDifferences(real: Ended, other: Ended, linked: readonly string[]): string[] {
  const lines: string[] = [];
  if (real.code !== other.code) lines.push(`exit code ${other.code}; expected ${real.code}`);
  for (const name of COUNTS) {
    const [wanted, found] = [statistic(real.stdout, name), statistic(other.stdout, name)];
    if (wanted !== found) lines.push(`${name}: ${found}; expected ${wanted}`);
  }
  const data = DATA.map((name) => bytesOf(real.stdout, name)).reduce((a, b) => a + b);
  for (const name of DATA) {
    const [wanted, found] = [bytesOf(real.stdout, name), bytesOf(other.stdout, name)];
    if (Math.abs(wanted - found) > DATA_TOLERANCE * data) {
      lines.push(`${name}: ${found}; expected ${wanted}`);
    }
  }
  const [theirs, ours] = [itemized(real), itemized(other)];
  const untold = new Set([...linked, ...repeatedNames(real), ...repeatedNames(other)]);
  const isTelling = (line: string): boolean => !line.startsWith("h") && !untold.has(line.slice(12));
  const wanted = new Set(theirs.filter(isTelling));
  const found = new Set(ours.filter(isTelling));
  for (const line of wanted) if (!found.has(line)) lines.push(`not said: ${line}`);
  for (const line of found) if (!wanted.has(line)) lines.push(`said: ${line}`);
  return lines;
}

/** A line that a shell takes. */
function shown(words: readonly string[]): string {
  return words
    .map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`))
    .join(" ");
}

/** The state of one comparison. */
interface Comparison extends DifferentialRun {
  readonly scratch: string;
  readonly source: string;
  readonly urls: Readonly<Record<Way, string>>;
  readonly failures: string[];
  /** In ms since 1970. What the seed makes is older. */
  readonly startedAt: number;
  /** Names in the source, as they are printed. */
  linked: readonly string[];
  readonly failed: Set<DifferentialCase>;
}

/** A folder of one case and way, with what `--link-dest` may refer to. */
function rootOf({ scratch }: Comparison, index: number, way: Way): string {
  return `${scratch}/case-${index}/${way}`;
}

async function callWay(way: Way, args: readonly string[], cwd: string): Promise<Ended> {
  if (way !== "client") return run(requirePeer("rsync"), args, { cwd, env: LOCALE });
  return { signal: null, ...(await callDialhome(["rsync", ...args], { cwd, env: LOCALE })) };
}

/** Makes what a case wants to be there before a pull: the same for every way. */
async function prepare(
  { seed, source, changes }: Comparison,
  each: DifferentialCase,
  root: string,
  step: number,
): Promise<void> {
  const isLast = step > 0 && step === changes;
  const [dest, ref] = [`${root}/dest`, `${root}/ref`];
  // The real rsync tells and counts what is in the way of a backup.
  rmSync(`${root}/kept`, { recursive: true, force: true });
  if (step === 0) {
    mkdirSync(root, { recursive: true });
    if (each.start === "copy") await copyChanged(source, dest, `${seed}/start`);
    if (each.reference === "copy") await copyChanged(source, ref, `${seed}/ref`);
  } else if (each.reference === "last") {
    rmSync(ref, { recursive: true });
    renameSync(dest, ref);
    if (isLast) changeRandomly(ref, `${seed}/ref`);
  }
  for (const path of [dest, ref]) mkdirSync(path, { recursive: true });
  if (isLast) changeRandomly(dest, `${seed}/dest`);
  if (each.linksFolders === true && step > 0) linkSomeFolders(dest, `${seed}/${step}/folders`);
  if (each.hasList === true) {
    writeFileSync(`${root}/list`, somePaths(source, `${seed}/${step}/list`));
    utimesSync(`${root}/list`, 0, 0);
  }
}

async function copyChanged(source: string, target: string, seed: string): Promise<void> {
  await runOk("cp", ["-a", source, target]);
  changeRandomly(target, seed);
}

/** One case in one state of the source. */
async function compareCase(comparison: Comparison, index: number, step: number): Promise<void> {
  const { cases, seed, entries, changes, urls, failures, failed } = comparison;
  const each = cases[index];
  if (each === undefined || failed.has(each)) return;
  for (const way of WAYS) await prepare(comparison, each, rootOf(comparison, index, way), step);
  const line = (way: Way): string[] => [...each.args, "-i", "--stats", urls[way], "dest/"];
  const [theirs, ...others] = await Promise.all(
    WAYS.map((way) => callWay(way, line(way), rootOf(comparison, index, way))),
  );
  if (theirs === undefined) return;
  for (const [at, other] of others.entries()) {
    const way = WAYS[at + 1] ?? "real";
    const roots = {
      real: rootOf(comparison, index, "real"),
      other: rootOf(comparison, index, way),
    };
    // When the test itself made the outermost ones says nothing.
    for (const root of Object.values(roots)) {
      const unnamed = each.hasList === true ? ["dest"] : [];
      for (const name of [...unnamed, "ref", ""]) utimesSync(`${root}/${name}`, 0, 0);
    }
    const below = (root: string): string => (each.only === undefined ? root : `${root}/dest`);
    // How far they had come before they gave up says nothing.
    if (theirs.code === SYNTAX_ERROR && other.code === theirs.code) continue;
    const lines = [
      ...outputDifferences(theirs, other, comparison.linked),
      ...treeDifferences(below(roots.real), below(roots.other), {
        attributes: true,
        freshFromMs: comparison.startedAt,
        ...each.compare,
      }),
    ].filter((text) => each.except?.test(text) !== true);
    if (lines.length === 0) continue;
    failed.add(each);
    await keepCase(comparison, index);
    const program = way === "client" ? ["dialhome", "rsync"] : ["rsync"];
    failures.push(
      [
        `seed ${JSON.stringify(seed)}, ${entries} entries, after ${step} of ${changes} changes:`,
        `  ${shown(["rsync", ...line("real")])}`,
        `  ${shown([...program, ...line(way)])}`,
        ...lines.slice(0, 15).map((text) => `    ${text.slice(0, 500)}`),
        `  stderr: ${theirs.stderr.slice(0, 500)}`,
        `  stderr: ${other.stderr.slice(0, 500)}`,
      ].join("\n"),
    );
  }
}

async function keepCase({ scratch, source }: Comparison, index: number): Promise<void> {
  const keep = process.env["DIALHOME_KEEP"];
  if (!keep) return;
  await runOk("cp", ["-a", source, `${keep}/src-${index}`]);
  await runOk("cp", ["-a", `${scratch}/case-${index}`, keep]);
}

/**
 * Makes a tree from a seed, changes it again and again, and has it pulled after each change by the real rsync from the real daemon,
 * by ours from the same daemon, and by the real rsync from our daemon. What was pulled is changed too, equally, before the last pull.
 * `DIALHOME_KEEP=FOLDER` in the environment copies there what the differing ones came to, and the source of that moment.
 *
 * @returns what differed: each with the seed, the state and the command lines; empty when nothing did
 */
export async function compareWithReal(wanted: DifferentialRun): Promise<string[]> {
  const { seed, entries, changes, cases, links = "any" } = wanted;
  await using dir = tempDir();
  const source = dir.at("src");
  mkdirSync(source);
  await makeRandomTree(source, { seed, entries, links });
  await using real = await startRealRsyncd({ modules: { src: { path: source } } });
  const listen = ["--listen", "127.0.0.1:0", "--json"];
  await using ours = startDialhome(["rsyncd", "--module", `src=${source}`, ...listen]);
  const [, port] = await ours.waitFor("stdout", /"event":"listening".*"port":(\d+)/);
  const comparison: Comparison = {
    ...wanted,
    scratch: dir.path,
    source,
    urls: {
      real: real.url("src"),
      client: real.url("src"),
      daemon: `rsync://127.0.0.1:${port}/src/`,
    },
    failures: [],
    startedAt: Date.now(),
    linked: [],
    failed: new Set(),
  };
  for (let step = 0; step <= changes; step++) {
    if (step > 0) changeRandomly(source, `${seed}/${step}`);
    comparison.linked = printedNamesOfLinks(source);
    const indexes = cases.keys();
    const work = async (): Promise<void> => {
      for (const index of indexes) await compareCase(comparison, index, step);
    };
    await Promise.all(Array.from({ length: AT_ONCE }, work));
  }
  return comparison.failures;
}
