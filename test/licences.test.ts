import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Licences that ask for nothing but their notice. A package under another one needs a decision, written down here. */
const ALLOWED = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "CC0-1.0",
  "ISC",
  "MIT",
  "MIT-0",
  "Unlicense",
  "Zlib",
]);

interface Manifest {
  readonly license?: string;
  /** The form of old: a list of objects. */
  readonly licenses?: readonly { readonly type: string }[];
}

interface LockedPackage extends Manifest {
  readonly link?: boolean;
  readonly dev?: boolean;
  readonly devOptional?: boolean;
}

const root = new URL("../", import.meta.url);
const readJson = (path: string): unknown => JSON.parse(readFileSync(new URL(path, root), "utf8"));
const lock = readJson("package-lock.json") as { packages: Record<string, LockedPackage> };

/** What a package says of itself; the lock file knows only the modern field. */
function licenceOf(path: string, locked: LockedPackage): string {
  if (locked.license !== undefined) return locked.license;
  const manifest = readJson(`${path}/package.json`) as Manifest;
  return manifest.licenses?.map(({ type }) => type).join(" OR ") ?? "none stated";
}

/** SPDX expressions as npm writes them: one name, or alternatives in parentheses. */
const isAllowed = (expression: string): boolean =>
  expression
    .replace(/^\((.*)\)$/, "$1")
    .split(" OR ")
    .some((name) => name.split(" AND ").every((part) => ALLOWED.has(part)));

test("what users install with dialhome is under a permissive licence", () => {
  const others = Object.entries(lock.packages)
    .filter(([path, entry]) => path.startsWith("node_modules/") && entry.link !== true)
    .filter(([, entry]) => entry.dev !== true && entry.devOptional !== true)
    .map(([path, entry]) => ({ path, licence: licenceOf(path, entry) }))
    .filter(({ licence }) => !isAllowed(licence));
  expect(others).toEqual([]);
});
