import * as fs from "node:fs";
import * as path from "node:path";
import { describe, expect, test } from "vitest";
import type { ManifestEntry } from "../../src/store/manifest-entry.ts";
import { SnapshotStore } from "../../src/store/snapshot-store.ts";
import {
  describeTree,
  key,
  newStore,
  pullInto,
  sampleTree,
  scratch,
  snapshotOfTree,
} from "./support/rig.ts";

const rootEntry: ManifestEntry = {
  name: Buffer.from("."),
  mode: 0o40755,
  size: 0,
  mtimeSec: 0,
  mtimeNsec: 0,
  uid: 0,
  gid: 0,
  outcome: "new",
};

function inode(snapshot: string, file: string): bigint {
  return fs.lstatSync(path.join(snapshot, file), { bigint: true }).ino;
}

describe("opening", () => {
  test("a missing directory, a file and a foreign directory are told apart", async () => {
    const directory = scratch();
    const missing = path.join(directory, "missing");
    await expect(SnapshotStore.open(missing)).rejects.toMatchObject({
      code: "ERR_STORE_MISSING",
      message: `the store ${missing} does not exist`,
    });
    await expect(
      SnapshotStore.open(path.join(missing, "deeper"), { create: true }),
    ).rejects.toMatchObject({
      code: "ERR_STORE_MISSING",
    });
    fs.writeFileSync(path.join(directory, "file"), "");
    for (const create of [true, false]) {
      await expect(
        SnapshotStore.open(path.join(directory, "file"), { create }),
      ).rejects.toMatchObject({
        code: "ERR_STORE_MISSING",
        message: `the store ${directory}/file is no directory`,
      });
      await expect(SnapshotStore.open(directory, { create })).rejects.toMatchObject({
        code: "ERR_STORE_NOT_A_STORE",
      });
    }
    expect(fs.readdirSync(directory)).toEqual(["file"]);
  });

  test("an unknown format or mode is refused by its name", async () => {
    const store = await newStore();
    const file = path.join(store.root, "store.json");
    fs.writeFileSync(file, JSON.stringify({ format: 7, mode: "hardlink", createdAt: "x" }));
    await expect(SnapshotStore.open(store.root)).rejects.toMatchObject({
      code: "ERR_STORE_FORMAT",
      message: `${store.root} is a store of format 7; this version knows format 1`,
    });
    fs.writeFileSync(file, JSON.stringify({ format: 1, mode: "btrfs", createdAt: "x" }));
    await expect(SnapshotStore.open(store.root)).rejects.toMatchObject({
      code: "ERR_STORE_FORMAT",
      message: `${store.root} is a store of mode "btrfs"; this version knows hardlink`,
    });
    fs.writeFileSync(file, "{");
    await expect(SnapshotStore.open(store.root)).rejects.toMatchObject({
      code: "ERR_STORE_CORRUPT",
    });
  });

  test("twenty that create one at once all get it", async () => {
    const root = path.join(scratch(), "store");
    const stores = await Promise.all(Array.from({ length: 20 }, () => newStore({}, root)));
    expect(new Set(stores.map(({ mode }) => mode))).toEqual(new Set(["hardlink"]));
  });
});

describe("pulls", () => {
  test("each makes a new snapshot, and unchanged files are shared", async () => {
    const store = await newStore();
    const source = sampleTree();
    const first = await snapshotOfTree(store, source);
    const before = describeTree(first.path);
    fs.writeFileSync(path.join(source, "a.txt"), "changed");
    fs.rmSync(path.join(source, "sub/link"));
    const second = await snapshotOfTree(store, source);
    expect(second.sequence).toBe(2);
    expect(describeTree(second.dataPath)).toEqual(describeTree(source));
    expect(describeTree(first.path)).toEqual(before);
    expect(inode(second.dataPath, "sub/b.txt")).toBe(inode(first.dataPath, "sub/b.txt"));
    expect(inode(second.dataPath, "a.txt")).not.toBe(inode(first.dataPath, "a.txt"));
    expect(second.totals).toMatchObject({ newFiles: 1, newBytes: 7 });
    for (const snapshot of [first, second]) {
      expect((await store.verify(snapshot, { level: "full" })).mismatches).toEqual([]);
    }
    expect(fs.readlinkSync(path.join(second.path, "../latest"))).toBe(second.id);
    expect(fs.realpathSync(path.join(store.root, "by-name/host1/latest"))).toBe(second.path);
  });

  test("an empty tree becomes a new snapshot, and the old ones stay", async () => {
    const store = await newStore();
    const first = await snapshotOfTree(store, sampleTree());
    const before = describeTree(first.path);
    const empty = path.join(scratch(), "empty");
    fs.mkdirSync(empty);
    const second = await snapshotOfTree(store, empty);
    expect(second.totals.entries).toBe(1);
    expect(describeTree(first.path)).toEqual(before);
  });

  test("times go forward even when the clock goes back", async () => {
    const store = await newStore();
    const source = sampleTree();
    const at = new Date("2026-11-23T03:15:00.700Z");
    const first = await snapshotOfTree(store, source, "host1", at);
    const second = await snapshotOfTree(store, source, "host1", new Date("2026-11-21T00:00:00Z"));
    expect(first.id).toBe("2026-11-23T031500Z.000001");
    expect(second.id).toBe("2026-11-23T031501Z.000002");
  });

  test("while one is running a second of the same machine is refused, another machine's is not", async () => {
    const store = await newStore();
    await using tx = await store.begin(key("host1"), { name: "host1" });
    await expect(store.begin(key("host1"), { name: "host1" })).rejects.toMatchObject({
      code: "ERR_STORE_BUSY",
      message: `machine "host1" is in use by process ${process.pid}`,
    });
    await using other = await store.begin(key("host2"), { name: "host2" });
    expect(other.id).not.toBe("");
    await tx.abort({ keepPartial: false });
    await using again = await store.begin(key("host1"), { name: "host1" });
    expect(again.resumeBasis).toBeUndefined();
  });

  test("an unfinished one is never listed, and gives its files to the next", async () => {
    const store = await newStore();
    const source = sampleTree();
    const first = await snapshotOfTree(store, source);
    fs.writeFileSync(path.join(source, "a.txt"), "never published");
    {
      await using tx = await store.begin(key("host1"), { name: "host1" });
      pullInto(tx, source);
    }
    expect(await store.list()).toEqual([first]);
    expect(await store.find("host1")).toEqual(first);
    await using next = await store.begin(key("host1"), { name: "host1" });
    expect(next.resumeBasis).toMatch(/\/\.partial\.000002\/data$/);
    expect(fs.readFileSync(path.join(next.resumeBasis ?? "", "a.txt"), "utf8")).toBe(
      "never published",
    );
    // Taken over from the unfinished pull, and once more from the previous snapshot: each digest is the right one.
    const taken = fs.lstatSync(path.join(next.resumeBasis ?? "", "a.txt"), { bigint: true });
    fs.linkSync(path.join(next.resumeBasis ?? "", "a.txt"), path.join(next.dataPath, "a.txt"));
    fs.chmodSync(next.dataPath, 0o755);
    next.record({
      name: Buffer.from("a.txt"),
      mode: Number(taken.mode),
      size: Number(taken.size),
      mtimeSec: Number(taken.mtimeNs / 1_000_000_000n),
      mtimeNsec: Number(taken.mtimeNs % 1_000_000_000n),
      uid: Number(taken.uid),
      gid: Number(taken.gid),
      outcome: "linked",
    });
    const root = fs.lstatSync(next.dataPath, { bigint: true });
    next.record({
      name: Buffer.from("."),
      mode: 0o40755,
      size: 0,
      mtimeSec: Number(root.mtimeNs / 1_000_000_000n),
      mtimeNsec: Number(root.mtimeNs % 1_000_000_000n),
      uid: Number(root.uid),
      gid: Number(root.gid),
      outcome: "new",
    });
    const published = await next.publish({ exitCode: 24, warnings: ["b vanished\u001b[2J"] });
    expect(published).toMatchObject({ status: "partial", exitCode: 24, warnings: 1 });
    expect((await store.verify(published, { level: "full" })).mismatches).toEqual([]);
    const machine = fs.readdirSync(path.join(published.path, ".."));
    expect(machine.filter((name) => name.startsWith(".partial"))).toEqual([]);
    expect(fs.readFileSync(path.join(published.path, "meta.json"), "utf8")).toContain(
      "b vanished\\\\u{1b}[2J",
    );
  });

  test("a file taken from one of two places has the digest of that place, though size and time agree", async () => {
    const store = await newStore();
    const source = sampleTree();
    const file = path.join(source, "sub/b.txt");
    await snapshotOfTree(store, source);
    const { atime, mtime } = fs.lstatSync(file);
    fs.utimesSync(file, atime, mtime);
    const first = await snapshotOfTree(store, source);
    fs.writeFileSync(file, "y".repeat(3000));
    fs.utimesSync(file, atime, mtime);
    {
      // Pulled as new, not linked: with the same size and time it has other content.
      await using tx = await store.begin(key("host1"), { name: "host1" });
      pullInto(
        { dataPath: tx.dataPath, previous: undefined, record: (entry) => tx.record(entry) },
        source,
      );
    }
    await using tx = await store.begin(key("host1"), { name: "host1" });
    expect(tx.resumeBasis).toBeDefined();
    pullInto(tx, source);
    const snapshot = await tx.publish({ exitCode: 0 });
    expect(inode(snapshot.dataPath, "sub/b.txt")).toBe(inode(first.dataPath, "sub/b.txt"));
    expect((await store.verify(snapshot, { level: "full" })).mismatches).toEqual([]);
  });

  test("digests that nobody gave are computed when it is published", async () => {
    const store = await newStore();
    const source = sampleTree();
    await using tx = await store.begin(key("host1"), { name: "host1" });
    const record = (entry: ManifestEntry): void => {
      const copy: { -readonly [K in keyof ManifestEntry]: ManifestEntry[K] } = { ...entry };
      delete copy.digest;
      tx.record(copy);
    };
    pullInto({ dataPath: tx.dataPath, previous: undefined, record }, source);
    const snapshot = await tx.publish({ exitCode: 0 });
    expect((await store.verify(snapshot, { level: "full" })).mismatches).toEqual([]);
  });

  test("what may not be published is not", async () => {
    const store = await newStore();
    const source = sampleTree();
    await using tx = await store.begin(key("host1"), { name: "host1" });
    await expect(tx.publish({ exitCode: 0 })).rejects.toMatchObject({ code: "ERR_STORE_STATE" });
    pullInto(tx, source);
    const failed: { readonly exitCode: 0 } = JSON.parse('{"exitCode":12}');
    await expect(tx.publish(failed)).rejects.toThrow(
      "a pull that ended with exit code 12 is not published",
    );
    await tx.publish({ exitCode: 0 });
    await expect(tx.publish({ exitCode: 0 })).rejects.toMatchObject({ code: "ERR_STORE_STATE" });
    expect(() => tx.record(rootEntry)).toThrow(/is no longer open/);
    await tx.abort();
    expect(await store.list()).toHaveLength(1);
  });

  test("a recorded file that is not there is not published, nor lied about", async () => {
    const store = await newStore();
    await using tx = await store.begin(key("host1"), { name: "host1" });
    tx.record({
      name: Buffer.from("ghost"),
      mode: 0o100644,
      size: 3,
      mtimeSec: 0,
      mtimeNsec: 0,
      uid: 0,
      gid: 0,
      outcome: "copied",
    });
    await expect(tx.publish({ exitCode: 0 })).rejects.toMatchObject({ code: "ERR_STORE_IO" });
    expect(await store.list()).toEqual([]);
  });
});

describe("the catalogue", () => {
  test("is rebuilt from the directories when it is lost, torn or behind", async () => {
    const store = await newStore();
    const source = sampleTree();
    await snapshotOfTree(store, source);
    await snapshotOfTree(store, source);
    await snapshotOfTree(store, source, "host2");
    const listed = await store.list();
    expect(listed.map(({ name, sequence }) => `${name} ${sequence}`)).toEqual([
      "host1 1",
      "host1 2",
      "host2 1",
    ]);
    const catalog = path.join(store.root, "catalog.ndjson");
    const whole = fs.readFileSync(catalog, "utf8");
    const damages = [
      "",
      whole.slice(0, -20),
      `${whole}{"event":"publi`,
      "\0\0\0\n\xff\n[1]\n",
      whole + whole,
    ];
    for (const text of damages) {
      fs.writeFileSync(catalog, text, "latin1");
      expect(await store.list()).toEqual(listed);
      const again = await newStore({}, store.root);
      expect(await again.list()).toEqual(listed);
      // The next process need not look at the directories' files any more.
      const records = fs
        .readFileSync(catalog, "latin1")
        .split("\n")
        .filter((line) => line.endsWith("}}"));
      expect(new Set(records).size).toBe(3);
    }
    fs.rmSync(catalog);
    expect(await (await newStore({}, store.root)).list()).toEqual(listed);
  });

  test("forgets a snapshot that was removed by hand", async () => {
    const store = await newStore();
    const source = sampleTree();
    const first = await snapshotOfTree(store, source);
    const second = await snapshotOfTree(store, source);
    fs.rmSync(first.path, { recursive: true });
    expect(await store.list()).toEqual([second]);
    await newStore({}, store.root);
    expect(fs.readFileSync(path.join(store.root, "catalog.ndjson"), "utf8")).toContain(
      `{"event":"removed","keyId":"${first.keyId}","id":"${first.id}"}`,
    );
    expect((await store.verify(second)).mismatches).toEqual([]);
  });

  test("a snapshot without its meta.json is listed as damaged and is nobody's latest", async () => {
    const store = await newStore();
    const source = sampleTree();
    const first = await snapshotOfTree(store, source);
    const second = await snapshotOfTree(store, source);
    fs.writeFileSync(path.join(second.path, "meta.json"), "{}");
    fs.rmSync(path.join(store.root, "catalog.ndjson"));
    expect((await store.list()).map(({ status }) => status)).toEqual(["complete", "damaged"]);
    expect(await store.find("host1")).toEqual(first);
    await using tx = await store.begin(key("host1"), { name: "host1" });
    expect(tx.previous?.id).toBe(first.id);
  });
});

describe("finding", () => {
  test("by name or key, latest, id or the beginning of one", async () => {
    const store = await newStore();
    const source = sampleTree();
    const first = await snapshotOfTree(store, source, "host1", new Date("2026-01-02T00:00:00Z"));
    const second = await snapshotOfTree(store, source, "host1", new Date("2026-02-03T00:00:00Z"));
    expect(await store.find("host1", "latest")).toEqual(second);
    expect(await store.find(key("host1"), first.id)).toEqual(first);
    expect(await store.find("host1", "2026-01")).toEqual(first);
    await expect(store.find("host1", "2026")).rejects.toMatchObject({
      code: "ERR_STORE_AMBIGUOUS",
    });
    await expect(store.find("host1", "2025")).rejects.toThrow(
      'machine "host1" has no snapshot "2025"',
    );
    await expect(store.find("host1", "")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
    await expect(store.find("host3")).rejects.toThrow('the store has no machine "host3"');
    await expect(store.find("../host1")).rejects.toMatchObject({ code: "ERR_STORE_NOT_FOUND" });
    await expect(store.find("host1", ".partial")).rejects.toMatchObject({
      code: "ERR_STORE_NOT_FOUND",
    });
  });
});
