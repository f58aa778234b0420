import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { type SeededRandom, seededRandom } from "./random.ts";
import type { LargeTree } from "./tree.ts";

/** What can happen to a file between two backups. */
export const CHANGES = {
  append: (path: string, random: SeededRandom): void => appendFileSync(path, random.bytes(100)),
  prepend: (path: string, random: SeededRandom): void =>
    writeFileSync(path, Buffer.concat([random.bytes(100), readFileSync(path)])),
  /** Overwrites 100 bytes in the middle: the size stays (unless the file is smaller). */
  edit: (path: string, random: SeededRandom): void => {
    const middle = Math.floor(readFileSync(path).length / 2);
    const fd = openSync(path, "r+");
    writeSync(fd, random.bytes(100), 0, 100, middle);
    closeSync(fd);
  },
  delete: (path: string): void => rmSync(path),
  rename: (path: string): void => renameSync(path, `${path}.renamed`),
  /** A file becomes a folder with a file in it. */
  toFolder: (path: string): void => {
    const content = readFileSync(path);
    rmSync(path);
    mkdirSync(path);
    writeFileSync(join(path, "was-a-file"), content);
  },
  /** A file becomes a symbolic link. */
  toLink: (path: string): void => {
    rmSync(path);
    symlinkSync("elsewhere", path);
  },
} as const;

export type Change = keyof typeof CHANGES;

/** The moment of every change; an hour after T0 of `tree.ts`, so that each run gives the same tree. */
const CHANGED_AT = 1_600_900_000;

/**
 * Changes a tree of `makeLargeTree`: append, prepend, edit in the middle, delete, rename, file to folder, file to link,
 * `each` times each on small files, and the first three on the larger ones; two new files besides.
 * Edited files get a later time. Gives back what was done: path below the root → change.
 */
export function changeTree(
  root: string,
  tree: LargeTree,
  each = 5,
  seed = "changes",
): Map<string, Change> {
  const random = seededRandom(seed);
  const kinds: readonly Change[] = [
    "append",
    "prepend",
    "edit",
    "delete",
    "rename",
    "toFolder",
    "toLink",
  ];
  const done = new Map<string, Change>();
  const small = tree.filter((path) => path.includes("/"));
  const change = (path: string, kind: Change): void => {
    CHANGES[kind](join(root, path), random);
    if (kind === "append" || kind === "prepend" || kind === "edit") {
      utimesSync(join(root, path), CHANGED_AT, CHANGED_AT);
    }
    done.set(path, kind);
  };
  for (const kind of kinds) {
    for (let n = 0; n < each; ) {
      const path = random.pick(small);
      if (done.has(path)) continue;
      change(path, kind);
      n++;
    }
  }
  change("big-1", "append");
  change("big-2", "edit");
  change("big-3", "prepend");
  writeFileSync(join(root, "new-small"), random.bytes(1_000));
  writeFileSync(join(root, "new-empty"), "");
  ageDirectories(root);
  return done;
}

/**
 * Makes the directories that were just changed an hour older. As rsync, we take times of the same second as equal: what work in the
 * destination changes must not meet what was changed at the source at the same moment.
 */
export function ageDirectories(root: string): void {
  const recent = ["-type", "d", "-newermt", "-1 minute"];
  execFileSync("find", [root, ...recent, "-exec", "touch", "-d", "1 hour ago", "{}", "+"]);
}
