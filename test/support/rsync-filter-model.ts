import { execFileSync } from "node:child_process";
import { lstatSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type SeededRandom, seededRandom } from "./random.ts";
import {
  expandMergeRules,
  FilterChain,
  type FilterRule,
  parseFilterRule,
  RsyncError,
} from "./rsync-filter-api.ts";

const NAMES = ["a", "b", "ab", "ba", "a.o", "b.c", "foo", "bar", "core", "x-y", "a a", "A1"];
const ODD_NAMES = [
  "[a]",
  "a*",
  "b\\",
  "]",
  "-",
  "!x",
  "a?b",
  "\\a",
  "#a",
  "x_y",
  "^",
  "[[:",
  "+ a",
];
const FILES_WITH_RULES = [".r", ".q"];

/** Makes a random tree; odd names only in trees without rule files (there our chain takes an anchored rule at its word, and rsync does not). */
export function growTree(root: string, random: SeededRandom, ruleFiles: boolean): void {
  const names = ruleFiles ? NAMES : [...NAMES, ...ODD_NAMES];
  let left = 60;
  const grow = (directory: string, depth: number): void => {
    mkdirSync(directory, { recursive: true });
    const chosen = new Set(Array.from({ length: 2 + random.below(5) }, () => random.pick(names)));
    for (const name of chosen) {
      left -= 1;
      if (left < 0) return;
      const path = join(directory, name);
      if (depth < 4 && random.below(2) === 0) grow(path, depth + 1);
      else writeFileSync(path, "");
    }
    if (!ruleFiles) return;
    for (const name of FILES_WITH_RULES)
      if (random.below(3) === 0) writeFileSync(join(directory, name), ruleFileText(random));
  };
  grow(root, 0);
}

const PIECES = [
  "a",
  "b",
  "ab",
  "o",
  ".",
  "foo",
  "bar",
  "core",
  "x",
  "*",
  "*",
  "**",
  "***",
  "?",
  "/",
  "/",
  "/",
  "\\",
];
const CLASSES = [
  "[ab]",
  "[!a]",
  "[^b]",
  "[a-c]",
  "[[:alpha:]]",
  "[![:digit:]]",
  "[]a]",
  "[a-]",
  "[",
  "[a",
  "[[:x:]]",
];
const ODD_CLASSES = [
  "[\\]]",
  "[a\\-c]",
  "[!]]",
  "[[:alpha:",
  "[[:]",
  "[c-a]",
  "[a-\\c]",
  "[[a]",
  "[/]",
  "[*]",
  "\\*",
  "\\[",
  "[--a]",
];

/** A random pattern: mostly like those people write, at times nonsense. */
export function randomPattern(random: SeededRandom): string {
  const length = 1 + random.below(5);
  let text = random.below(3) === 0 ? "/" : "";
  for (let count = 0; count < length; count++) {
    if (random.below(9) === 0) text += random.pick(random.below(2) === 0 ? CLASSES : ODD_CLASSES);
    else text += random.below(2) === 0 ? random.pick(NAMES) : random.pick(PIECES);
  }
  if (random.below(5) === 0) text += "/";
  if (random.below(12) === 0) text += "/***";
  // Beyond one word of places.
  if (random.below(12) === 0) text += `${"*".repeat(random.below(2))}${"[ab]*?".repeat(8)}*`;
  return text;
}

function randomRule(random: SeededRandom): string {
  const modifiers =
    random.below(6) === 0 ? random.pick(["!", "s", "r", "p", "sr", "/", "/!", "!p"]) : "";
  const heads = modifiers === "" ? ["+", "-", "-", "-", "H", "S", "P", "R"] : ["+", "-"];
  return `${random.pick(heads)}${modifiers} ${randomPattern(random)}`;
}

function ruleFileText(random: SeededRandom): string {
  const lines = Array.from({ length: 1 + random.below(3) }, () => randomRule(random));
  if (random.below(6) === 0) lines.push("!", randomRule(random));
  if (random.below(6) === 0) lines.unshift("# not a rule", "", "; nor this");
  if (random.below(10) === 0) lines.push(": .q");
  return `${lines.join("\n")}\n`;
}

/** Random rules, as arguments of `--filter`. */
export function randomRules(random: SeededRandom, ruleFiles: boolean): string[] {
  const rules = Array.from({ length: 1 + random.below(5) }, () => randomRule(random));
  if (random.below(12) === 0) rules.splice(random.below(rules.length), 0, "!");
  if (random.below(10) === 0) rules.splice(random.below(rules.length), 0, "-C");
  if (ruleFiles) {
    const merge = random.pick([": .r", ":n .r", ":e .r", ": /.r", ":p .r", ":s .q", ": .r"]);
    rules.splice(random.below(rules.length + 1), 0, merge);
    if (random.below(3) === 0) rules.splice(random.below(rules.length + 1), 0, ": .q");
  }
  return rules;
}

/** rsync's word on the matter. */
export interface Verdict {
  /** What was listed; directories with a `/` behind. */
  readonly names: readonly string[];
  /** The rules were refused. */
  readonly refused: boolean;
}

function run(args: readonly string[], keep: (line: string) => string | undefined): Verdict {
  try {
    const output = execFileSync("rsync", [...args], {
      encoding: "latin1",
      stdio: ["ignore", "pipe", "ignore"],
    });
    const names = output
      .split("\n")
      .map(keep)
      .filter((name) => name !== undefined);
    return { names: names.toSorted(), refused: false };
  } catch {
    return { names: [], refused: true };
  }
}

/** Backslashes come as `\#134` where they could be taken for an escape. */
const unescape = (line: string): string =>
  line.replace(/\\#(\d{3})/gu, (_, digits: string) =>
    String.fromCharCode(Number.parseInt(digits, 8)),
  );

/** What rsync would send. */
export function rsyncSends(source: string, empty: string, rules: readonly string[]): Verdict {
  const filters = rules.map((rule) => `--filter=${rule}`);
  return run(["-rn", "--out-format=%n", ...filters, `${source}/`, `${empty}/`], (line) =>
    line === "" || line === "./" ? undefined : unescape(line),
  );
}

/** What rsync leaves of `target` when the source is empty. It does delete: ask our chain first. */
export function rsyncKeeps(
  target: string,
  empty: string,
  rules: readonly string[],
  more: readonly string[],
): Verdict {
  const filters = rules.map((rule) => `--filter=${rule}`);
  const { refused } = run(
    ["-r", "--delete", ...more, ...filters, `${empty}/`, `${target}/`],
    () => undefined,
  );
  return refused ? { names: [], refused } : { names: everything(target).toSorted(), refused };
}

function everything(root: string, directory = ""): string[] {
  return entriesOf(root, directory).flatMap(({ path, isDirectory }) =>
    isDirectory ? [`${path}/`, ...everything(root, path)] : [path],
  );
}

function readIn(directory: string): (name: string) => string | undefined {
  return (name) => {
    try {
      return readFileSync(join(directory, name), "latin1");
    } catch {
      return undefined;
    }
  };
}

function chainOf(
  root: string,
  rules: readonly string[],
  side: "sender" | "receiver",
  deleteExcluded: boolean,
): FilterChain {
  const parsed: readonly FilterRule[] = rules.map(parseFilterRule);
  return new FilterChain(expandMergeRules(parsed, readIn(root)), {
    side,
    root,
    deleteExcluded,
    readAncestorFile: (directory, name) => readIn(`/${directory}`)(name),
  });
}

function entriesOf(root: string, directory: string): { path: string; isDirectory: boolean }[] {
  return readdirSync(join(root, directory)).map((name) => {
    const path = directory === "" ? name : `${directory}/${name}`;
    return { path, isDirectory: lstatSync(join(root, path)).isDirectory() };
  });
}

function walkSender(chain: FilterChain, root: string): string[] {
  const names: string[] = [];
  const walk = (directory: string): void => {
    chain.enterDirectory(directory, readIn(join(root, directory)));
    for (const { path, isDirectory } of entriesOf(root, directory)) {
      if (chain.excluded(path, isDirectory)) continue;
      names.push(isDirectory ? `${path}/` : path);
      if (isDirectory) walk(path);
    }
    chain.leaveDirectory();
  };
  walk("");
  return names.toSorted();
}

/** What a sender with these rules lists of `start` within a module, with paths relative to `start`. */
export function listWith(module: string, rules: readonly FilterRule[], start = ""): string[] {
  return walkSender(new FilterChain(rules, { side: "sender", root: start }), join(module, start));
}

/** What our chain would send. */
export function chainSends(source: string, rules: readonly string[]): Verdict {
  try {
    return { names: walkSender(chainOf(source, rules, "sender", false), source), refused: false };
  } catch (error) {
    if (!(error instanceof RsyncError)) throw error;
    return { names: [], refused: true };
  }
}

/** What a receiver with our chain would keep of `target` if the source were empty. */
export function chainKeeps(
  target: string,
  rules: readonly string[],
  deleteExcluded: boolean,
): Verdict {
  const kept: string[] = [];
  try {
    const chain = chainOf(target, rules, "receiver", deleteExcluded);
    // True if nothing is left in the directory.
    const clear = (directory: string, ignorePerishable: boolean): boolean => {
      const before = kept.length;
      chain.enterDirectory(directory, readIn(join(target, directory)));
      for (const { path, isDirectory } of entriesOf(target, directory)) {
        const name = isDirectory ? `${path}/` : path;
        if (chain.decide(path, isDirectory, ignorePerishable) === "exclude") {
          kept.push(name, ...(isDirectory ? everything(target, path) : []));
        } else if (isDirectory && !clear(path, true)) kept.push(name);
      }
      chain.leaveDirectory();
      return kept.length === before;
    };
    clear("", false);
  } catch (error) {
    if (!(error instanceof RsyncError)) throw error;
    return { names: [], refused: true };
  }
  return { names: kept.toSorted(), refused: false };
}

/** One random case, and what each side made of it. */
export interface FilterCase {
  readonly facts: {
    readonly deletes: boolean;
    readonly more: readonly string[];
    readonly rules: readonly string[];
  };
  readonly theirs: Verdict;
  readonly ours: Verdict;
}

/** Runs the case of one seed in `scratch`, which has an empty folder `empty`. The tree is gone afterwards. */
export function compareFilterCase(seed: number, scratch: string): FilterCase {
  const random = seededRandom(`filter ${seed}`);
  const ruleFiles = seed % 3 === 0;
  const tree = join(scratch, `tree-${seed}`);
  const empty = join(scratch, "empty");
  growTree(tree, random, ruleFiles);
  try {
    const rules = randomRules(random, ruleFiles);
    const deletes = seed % 4 === 1;
    const deleteExcluded = deletes && random.below(2) === 0;
    const more = deleteExcluded ? ["--delete-excluded"] : [];
    // Ours first: rsync does delete.
    const ours = deletes ? chainKeeps(tree, rules, deleteExcluded) : chainSends(tree, rules);
    const theirs = deletes ? rsyncKeeps(tree, empty, rules, more) : rsyncSends(tree, empty, rules);
    return { facts: { deletes, more, rules }, theirs, ours };
  } finally {
    rmSync(tree, { recursive: true, force: true });
  }
}
