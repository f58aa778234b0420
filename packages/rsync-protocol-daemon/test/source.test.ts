import { mkdirSync, readdirSync, renameSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { expect, test } from "vitest";
import { HELD_DIRECTORIES } from "../src/constants.ts";
import { LinkFollower } from "../src/link-follower.ts";
import { Source } from "../src/source.ts";
import { SourceFilter } from "../src/source-filter.ts";
import { tempFolder } from "./support/scripted-client.ts";

const openDescriptors = (): number => readdirSync("/proc/self/fd").length;
const sourceOf = (path: string): Source => {
  const directory = DirectoryHandle.open(path);
  const root = { directory, followAbsolute: false, label: (name: string) => name };
  const hides = (): boolean => false;
  return new Source({
    directory,
    filter: new SourceFilter({ module: [], client: [] }, ""),
    hides,
    follower: new LinkFollower({ root, base: [], policies: new Set(), hides }),
    label: root.label,
    path: root.label,
  });
};

test("any directory is at hand, and no more handles are held than stated", async () => {
  await using folder = tempFolder();
  const names: string[] = ["."];
  for (let i = 0; i < 2 * HELD_DIRECTORIES; i++) names.push(`wide${i}`, `deep${"/x".repeat(i)}`);
  for (const name of names) {
    mkdirSync(join(folder.path, name), { recursive: true });
    writeFileSync(join(folder.path, name, "its-name"), name);
  }
  const before = openDescriptors();
  const source = sourceOf(folder.path);
  // Forwards, backwards, and jumping about.
  const order = [
    ...names,
    ...names.toReversed(),
    ...names.map((_, i) => names[(i * 37) % names.length] ?? "."),
  ];
  for (const name of order) {
    const wanted = Buffer.byteLength(name);
    expect(source.directory(name).lstat(Buffer.from("its-name"))?.size).toBe(wanted);
    expect(openDescriptors() - before).toBeLessThanOrEqual(HELD_DIRECTORIES + 1);
  }
  source.close();
  expect(openDescriptors()).toBe(before);
});

test("a directory that became a link is not entered", async () => {
  await using folder = tempFolder();
  mkdirSync(join(folder.path, "root/a/b"), { recursive: true });
  mkdirSync(join(folder.path, "outside/b"), { recursive: true });
  const source = sourceOf(join(folder.path, "root"));
  renameSync(join(folder.path, "root/a"), join(folder.path, "moved"));
  symlinkSync("../outside", join(folder.path, "root/a"));
  expect(() => source.directory("a/b")).toThrow(/ENOTDIR|ELOOP/);
  source.close();
});
