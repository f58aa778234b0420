import * as fs from "node:fs";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { expect, test } from "vitest";
import { Catalog, type CatalogRecord } from "../../src/store/catalog.ts";
import { scratch } from "./support/rig.ts";

function recordOf(id: string): CatalogRecord {
  const none = { entries: 0, files: 0, directories: 0, symlinks: 0, specials: 0 };
  return {
    event: "published",
    keyId: "key",
    id,
    name: "häuschen",
    startedAt: "2026-11-23T00:00:00.000Z",
    finishedAt: "2026-11-23T00:00:01.000Z",
    exitCode: 0,
    warnings: 0,
    totals: { ...none, bytes: 0, newFiles: 0, newBytes: 0 },
  };
}

test("records come back, without those that were removed", async () => {
  using root = DirectoryHandle.open(scratch());
  const catalog = new Catalog(root);
  expect(await catalog.read()).toEqual(new Map());
  for (const id of ["a", "b", "c"]) catalog.published(recordOf(id));
  catalog.removed("key", "b");
  catalog.removed("key", "never there");
  expect([...(await catalog.read()).values()]).toEqual([recordOf("a"), recordOf("c")]);
});

test("a line that a power cut tore swallows no other", async () => {
  const directory = scratch();
  using root = DirectoryHandle.open(directory);
  const catalog = new Catalog(root);
  catalog.published(recordOf("a"));
  const file = path.join(directory, "catalog.ndjson");
  for (let i = 0; i < 3; i++) {
    fs.appendFileSync(file, '{"event":"publis');
    catalog.published(recordOf(`after ${i}`));
  }
  expect([...(await catalog.read()).keys()]).toEqual([
    "key/a",
    "key/after 0",
    "key/after 1",
    "key/after 2",
  ]);
});
