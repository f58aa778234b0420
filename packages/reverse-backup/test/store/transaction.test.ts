import * as fs from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import type { ManifestEntry } from "../../src/store/manifest-entry.ts";
import { key, newStore } from "./support/rig.ts";

const root: ManifestEntry = {
  name: Buffer.from("."),
  mode: 0o40755,
  size: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  uid: 0,
  gid: 0,
  outcome: "new",
};

test.each([
  ["is longer than it was recorded", "four"],
  ["is shorter than it was recorded", "2x"],
])("nothing is published when a file %s", async (_how, content) => {
  const store = await newStore();
  await using tx = await store.begin(key("host1"), { name: "host1" });
  fs.writeFileSync(path.join(tx.dataPath, "file"), content);
  // Taken over from where no digest is known: it is computed when all is there.
  const file = { ...root, name: Buffer.from("file"), mode: 0o100644, size: 3 };
  tx.record({ ...file, outcome: "linked" });
  tx.record(root);
  await expect(tx.publish({ exitCode: 0 })).rejects.toMatchObject({ code: "ERR_STORE_CORRUPT" });
  expect(await store.list()).toEqual([]);
});
