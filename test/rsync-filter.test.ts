import { execFileSync, spawnSync } from "node:child_process";
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { seededRandom } from "./support/random.ts";
import {
  expandMergeRules,
  FilterChain,
  formatSentFilters,
  type ModuleFilterText,
  parseFilterRule,
  parseFilterText,
  parseModuleFilters,
  parsePatternRule,
  RsyncError,
} from "./support/rsync-filter-api.ts";
import { compareFilterCase, listWith } from "./support/rsync-filter-model.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

const FILES = [
  "foo",
  "bar",
  "baz",
  "a/foo",
  "a/bar.o",
  "a/b/foo",
  "a/b/bar",
  "a/b/c/foo",
  "d/a/b/foo",
  "-",
  "+ x",
  "#h",
];

function plant(dir: TempDir): string {
  for (const file of FILES) {
    mkdirSync(dir.at("tree", file, ".."), { recursive: true });
    writeFileSync(dir.at("tree", file), "");
  }
  return dir.at("tree");
}

/** What rsync lists, as paths; directories with a `/` behind. */
function rsyncLists(args: readonly string[], environment: NodeJS.ProcessEnv = {}): string[] {
  const text = execFileSync(requirePeer("rsync"), ["-rn", "--out-format=%n", ...args], {
    encoding: "latin1",
    env: { ...process.env, ...environment },
    stdio: ["ignore", "pipe", "ignore"],
  });
  return text
    .split("\n")
    .filter((line) => line !== "" && line !== "./")
    .toSorted();
}

/** Names, or that the rules were refused: by rsync with an exit code, by us with our error. */
function orRefused(list: () => string[]): string[] | "refused" {
  try {
    return list();
  } catch (error) {
    const byRsync = error instanceof Error && "status" in error;
    if (!byRsync && !(error instanceof RsyncError)) throw error;
    return "refused";
  }
}

/** A remote shell for rsync that speaks as a server of protocol 29, so that rules come without frames, and keeps them. */
const LISTENER = `
const { writeFileSync } = require("node:fs");
process.stdout.write(Buffer.from([29, 0, 0, 0, 1, 0, 0, 0]));
const parts = [];
process.stdin.on("data", (part) => {
  parts.push(part);
  const said = Buffer.concat(parts);
  if (said.length < 8 || said.readInt32LE(said.length - 4) !== 0) return;
  writeFileSync(process.argv[2], said);
  process.exit(0);
});
`;

/** The rules that a real client sends on a pull. */
function rsyncSendsRules(dir: TempDir, args: readonly string[]): string[] {
  writeFileSync(dir.at("listener.cjs"), LISTENER);
  const shell = `${process.execPath} ${dir.at("listener.cjs")} ${dir.at("said")}`;
  const run = spawnSync(requirePeer("rsync"), [
    "-rn",
    "-e",
    shell,
    ...args,
    "host:/x/",
    dir.at("out"),
  ]);
  expect(run.status).toBe(12);
  const said = readFileSync(dir.at("said"));
  const rules: string[] = [];
  for (let at = 4; ; ) {
    const length = said.readInt32LE(at);
    if (length === 0) return rules;
    rules.push(said.toString("latin1", at + 4, at + 4 + length));
    at += 4 + length;
  }
}

describeWithPeers(["rsync"], "filter rules beside the real rsync", () => {
  it("decide as rsync does on random trees and rules, with rule files and deletes", async () => {
    await using scratch = tempDir();
    mkdirSync(scratch.at("empty"));
    let listed = 0;
    for (let seed = 1; seed <= 100; seed++) {
      const { facts, theirs, ours } = compareFilterCase(seed, scratch.path);
      expect({ seed, ...facts, ...ours }).toEqual({ seed, ...facts, ...theirs });
      listed += theirs.names.length;
    }
    // Or nothing was compared.
    expect(listed).toBeGreaterThan(300);
  });

  it("read patterns of --exclude, --include and their files as rsync does", async () => {
    await using dir = tempDir();
    const tree = plant(dir);
    const root = `${tree}/`;
    for (const text of [
      "foo",
      "- foo",
      "+ foo",
      "-",
      "- ",
      "!",
      "!foo",
      "#h",
      "-foo",
      "+ x",
      "a/b",
      "/a",
      "a/",
    ]) {
      const theirs = orRefused(() =>
        rsyncLists([`--exclude=${text}`, "--exclude=bar", root, dir.at("out")]),
      );
      const ours = orRefused(() =>
        listWith(tree, [parsePatternRule(text, "exclude"), parsePatternRule("bar", "exclude")]),
      );
      expect({ text, names: ours }).toEqual({ text, names: theirs });
    }
    for (const text of [
      "foo\n+ bar\n- ba*\n-\n",
      "#h\n;c\n\nfoo\r\nbaz\n",
      "foo\n!\nbaz",
      "+ /a/\n+ a/b/***\n*\n",
    ]) {
      writeFileSync(dir.at("list"), text);
      for (const type of ["include", "exclude"] as const) {
        const theirs = rsyncLists([
          `--${type}-from=${dir.at("list")}`,
          "--exclude=a*",
          root,
          dir.at("out"),
        ]);
        const rules = [
          ...parseFilterText(text, { entries: `old-${type}` }),
          parsePatternRule("a*", "exclude"),
        ];
        expect({ text, type, names: listWith(tree, rules) }).toEqual({ text, type, names: theirs });
      }
    }
  });

  it("read merge files of each kind as rsync does", async () => {
    await using dir = tempDir();
    const tree = plant(dir);
    const file = dir.at("merged");
    const cases: readonly (readonly [rule: string, text: string])[] = [
      [".", "- foo\n+ bar\n- /a/b\n"],
      [".", "- bar\n!\n- foo\n"],
      [".-", "foo\n- bar\n"],
      [".+", "foo\n"],
      [".w", "-_foo -_bar\n\t-_baz"],
      [".w-", "foo bar #h"],
      [".C", "foo !x #h\nbar"],
      [".C", "foo ! bar"],
      [".e", "- foo\n"],
      [".!", "- foo\n"],
      [".w", "- foo\n"],
      [".s", "-r foo\n"],
      [".s", "- foo\n"],
      [".r", "- foo\n"],
      [".n", "- foo\n"],
      ["merge,-", "foo"],
    ];
    for (const [rule, text] of cases) {
      writeFileSync(file, text);
      const filter = `${rule} ${file}`;
      const theirs = orRefused(() =>
        rsyncLists([`--filter=${filter}`, "--exclude=baz", `${tree}/`, dir.at("out")]),
      );
      const ours = orRefused(() => {
        const parsed = [parseFilterRule(filter), parsePatternRule("baz", "exclude")];
        return listWith(
          tree,
          expandMergeRules(parsed, () => text),
        );
      });
      expect({ rule, text, names: ours }).toEqual({ rule, text, names: theirs });
    }
  });

  it("accept and refuse the forms of a rule that rsync does", async () => {
    await using dir = tempDir();
    const tree = plant(dir);
    const heads = [
      "+",
      "-",
      "H",
      "R",
      ":",
      "!",
      "include",
      "exclude",
      "protect",
      "dir-merge",
      "clear",
      "clea",
      "x",
      " -",
    ];
    const modifiers = [
      "",
      ",",
      ",!",
      "!",
      "C",
      ",s",
      "sr",
      "e",
      "n-",
      "-+",
      "C-",
      "w",
      ",,",
      "p/",
      "x",
    ];
    const tails = ["", " ", "_", " foo", "_foo", "  foo", "\tfoo"];
    const random = seededRandom("forms");
    for (let count = 0; count < 100; count++) {
      const text = `${random.pick(heads)}${random.pick(modifiers)}${random.pick(tails)}`;
      const theirs = orRefused(() => rsyncLists([`--filter=${text}`, `${tree}/`, dir.at("out")]));
      const ours = orRefused(() =>
        listWith(
          tree,
          expandMergeRules([parseFilterRule(text)], () => undefined),
        ),
      );
      expect({ text, names: ours }).toEqual({ text, names: theirs });
    }
  });

  it("go onto the wire in the words of a real client", async () => {
    await using dir = tempDir();
    writeFileSync(dir.at("merged"), "- merged\n+s other/\n");
    const cases: readonly (readonly [rules: readonly string[], deleteExcluded: boolean])[] = [
      [["- *.o", "+ /sub/***", "H hidden", "S shown", "P kept", "R risked"], false],
      [["- *.o", "-sr both", "P kept", ": .r", ":n- .q", "+/! /x/y"], true],
      [
        ["-! *.txt", "exclude,/ /tmp/x", "-x user.*", "-C", ":C", ":e .rules", ":en /a/.more"],
        false,
      ],
      [["- gone", "!", "- stays", ": .r", ":n .r", ":nw+ .s"], false],
      [[`. ${dir.at("merged")}`, "-_x y", "-  spaced "], false],
      [[], false],
    ];
    for (const [rules, deleteExcluded] of cases) {
      const more = deleteExcluded ? ["--delete-excluded"] : [];
      const theirs = rsyncSendsRules(dir, [...more, ...rules.map((rule) => `--filter=${rule}`)]);
      const expanded = expandMergeRules(rules.map(parseFilterRule), (name) =>
        readFileSync(name, "latin1"),
      );
      expect(formatSentFilters(expanded, { deleteExcluded })).toEqual(theirs);
    }
  });

  it("of a module hide what a real daemon's do, for each way to ask", async () => {
    await using dir = tempDir();
    const tree = plant(dir);
    const modules: Readonly<Record<string, ModuleFilterText>> = {
      one: { filter: "- foo + bar - ba*" },
      two: { include: "/a /a/b a/b/*r", exclude: "*" },
      three: { exclude: "b/foo /bar - baz" },
      four: { filter: "+ /a -! /a/***" },
      five: { exclude: "foo ! bar" },
      six: { filter: "exclude_/a/b/c/ - **/b/foo" },
    };
    const settings = Object.entries(modules).map(([name, { filter, include, exclude }]) =>
      [
        `[${name}]`,
        `path = ${tree}`,
        ...Object.entries({ filter, include, exclude }).flatMap(([key, value]) =>
          value === undefined ? [] : [`${key} = ${value}`],
        ),
      ].join("\n"),
    );
    writeFileSync(dir.at("conf"), `use chroot = no\n${settings.join("\n")}\n`);
    const connect = { RSYNC_CONNECT_PROG: `rsync --server --daemon --config=${dir.at("conf")} .` };
    for (const [name, text] of Object.entries(modules)) {
      const rules = parseModuleFilters(text);
      for (const start of ["", "a", "a/b", "d/a"]) {
        const theirs = orRefused(() =>
          rsyncLists([`rsync://host/${name}/${start}/`, dir.at("out")], connect),
        );
        const gate = new FilterChain(rules, { side: "sender" });
        const ours =
          start !== "" && gate.excludedByAncestors(start, true)
            ? "refused"
            : listWith(tree, rules, start);
        expect({ name, start, names: ours }).toEqual({ name, start, names: theirs });
      }
    }
  });
});
