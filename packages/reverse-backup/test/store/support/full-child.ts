// Records entries on a full disk until that is noticed, then again with room; says what happened.

import { randomBytes } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";
import { StoreError } from "../../../src/store/errors.ts";
import { SnapshotStore } from "../../../src/store/snapshot-store.ts";
import { key, pullInto } from "./pull.ts";

const [mount = "", source = ""] = process.argv.slice(2);

function say(error: unknown): void {
  process.stdout.write(
    error instanceof StoreError ? `${error.code} ${error.message}\n` : `${String(error)}\n`,
  );
}

function fill(file: string): void {
  try {
    for (;;) fs.appendFileSync(file, Buffer.alloc(4096));
  } catch {
    // Full, as wanted.
  }
}

async function main(): Promise<void> {
  const root = path.join(mount, "store");
  const store = await SnapshotStore.open(root, { create: true });
  const filler = path.join(mount, "filler");
  {
    await using tx = await store.begin(key("host1"), { name: "host1" });
    fill(filler);
    try {
      for (let i = 0; ; i++) {
        const name = Buffer.from(`file-${i}`);
        const base = { mode: 0o100644, size: 1, mtimeSec: 0, mtimeNsec: 0, uid: 0, gid: 0 };
        tx.record({ ...base, name, outcome: "new", digest: randomBytes(32) });
      }
    } catch (error) {
      say(error);
    }
  }
  try {
    await using tx = await store.begin(key("host1"), { name: "host1" });
    process.stdout.write(`${tx.id}\n`);
  } catch (error) {
    say(error);
  }
  fs.rmSync(filler);
  await using tx = await store.begin(key("host1"), { name: "host1" });
  pullInto(tx, source);
  fill(filler);
  try {
    await tx.publish({ exitCode: 0 });
  } catch (error) {
    say(error);
  }
  fs.rmSync(filler);
  await using last = await store.begin(key("host1"), { name: "host1" });
  pullInto(last, source);
  const snapshot = await last.publish({ exitCode: 0 });
  const report = await store.verify(snapshot, { level: "full" });
  process.stdout.write(`${report.ok ? "ok" : "damaged"} ${(await store.list()).length}\n`);
}

await main();
