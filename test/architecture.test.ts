import { readdirSync, readFileSync } from "node:fs";
import { expect, test } from "vitest";

/** Ground floor first; a package may depend only on packages of lower floors. */
const floors: readonly (readonly string[])[] = [
  ["@dialhome/posix-fs", "@dialhome/authorized-keys", "@dialhome/rsync-protocol"],
  ["@dialhome/ssh-endpoint", "@dialhome/rsync-protocol-client", "@dialhome/rsync-protocol-daemon"],
  ["@dialhome/ssh-reverse"],
  ["@dialhome/reverse-backup"],
  ["dialhome"],
];

interface Manifest {
  name: string;
  dependencies?: Record<string, string>;
}

const packages = new URL("../packages/", import.meta.url);
const manifests = readdirSync(packages).map((folder): Manifest => {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own manifests
  return JSON.parse(readFileSync(new URL(`${folder}/package.json`, packages), "utf8")) as Manifest;
});
const floorOf = (name: string): number => floors.findIndex((floor) => floor.includes(name));

test.each(manifests)("$name stands on a floor and leans only on lower ones", (manifest) => {
  expect(floorOf(manifest.name)).toBeGreaterThanOrEqual(0);
  const ours = Object.keys(manifest.dependencies ?? {}).filter((name) => floorOf(name) >= 0);
  for (const name of ours) expect(floorOf(name)).toBeLessThan(floorOf(manifest.name));
});
