import * as fs from "node:fs";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { describe, expect, test } from "vitest";
import type { Snapshot } from "../../src/store/snapshot.ts";
import type { SnapshotStore } from "../../src/store/snapshot-store.ts";
import { describeTree, newStore, sampleTree, scratch, snapshotOfTree } from "./support/rig.ts";

const isRoot = process.getuid?.() === 0;

async function published(source = sampleTree()): Promise<{
  readonly store: SnapshotStore;
  readonly snapshot: Snapshot;
  readonly source: string;
  readonly destination: string;
}> {
  const store = await newStore();
  const snapshot = await snapshotOfTree(store, source);
  return { store, snapshot, source, destination: path.join(scratch(), "restored") };
}

describe("a whole tree", () => {
  test("comes back as it was, and shares nothing with the store", async () => {
    const { store, snapshot, source, destination } = await published();
    const before = describeTree(snapshot.path);
    const progress: number[] = [];
    const report = await store.restore(snapshot, {
      destination,
      onProgress: ({ entries, totalEntries }) => progress.push(entries / totalEntries),
    });
    expect(report).toMatchObject({ ok: true, failures: [], entries: snapshot.totals.entries });
    expect(progress.at(-1)).toBe(1);
    expect(describeTree(destination)).toEqual(describeTree(source));
    expect(fs.lstatSync(path.join(destination, "sub/b.txt")).nlink).toBe(1);
    fs.writeFileSync(path.join(destination, "sub/b.txt"), "mine");
    expect(describeTree(snapshot.path)).toEqual(before);
  });

  test.runIf(isRoot)("with devices, owners and set-id modes, as root", async () => {
    const source = sampleTree();
    {
      using handle = DirectoryHandle.open(source);
      handle.mknod(Buffer.from("null"), 0o20640, 1, 3);
      handle.chown(Buffer.from("a.txt"), 12, 34);
      handle.chmod(Buffer.from("a.txt"), 0o6751);
      handle.chown(Buffer.from("dangling"), 56, 78);
      handle.chmod(Buffer.from("sub"), 0o3711);
    }
    const { store, snapshot, destination } = await published(source);
    expect((await store.verify(snapshot, { level: "full" })).mismatches).toEqual([]);
    expect((await store.restore(snapshot, { destination })).failures).toEqual([]);
    expect(describeTree(destination)).toEqual(describeTree(source));
    using restored = DirectoryHandle.open(destination);
    expect(restored.lstat(Buffer.from("null"))).toMatchObject({ rdevMajor: 1, rdevMinor: 3 });
  });

  test("keeps holes as holes", async () => {
    const source = sampleTree();
    const file = path.join(source, "sparse");
    fs.writeFileSync(file, "begin");
    fs.truncateSync(file, 40_000_000);
    fs.appendFileSync(file, "end");
    const { store, snapshot, destination } = await published(source);
    // The rig writes the zeros: make the store's file as sparse as the source's.
    const stored = path.join(snapshot.dataPath, "sparse");
    const before = fs.lstatSync(stored);
    fs.truncateSync(stored, 5);
    fs.truncateSync(stored, 40_000_000);
    fs.appendFileSync(stored, "end");
    expect(before.size).toBe(40_000_003);
    expect((await store.restore(snapshot, { destination })).ok).toBe(true);
    const restored = fs.lstatSync(path.join(destination, "sparse"));
    expect(restored.size).toBe(40_000_003);
    expect(restored.blocks * 512).toBeLessThan(1_000_000);
    expect(fs.readFileSync(path.join(destination, "sparse")).equals(fs.readFileSync(file))).toBe(
      true,
    );
  });
});

describe("some paths", () => {
  test("one file, with the directories on its way", async () => {
    const { store, snapshot, source, destination } = await published();
    const report = await store.restore(snapshot, { destination, paths: ["/sub/b.txt"] });
    expect(report).toMatchObject({ ok: true, entries: 1, files: 1, bytes: 3000 });
    const restored = describeTree(destination);
    expect(Object.keys(restored)).toEqual([".", "sub", "sub/b.txt"]);
    expect(restored["sub"]).toBe(describeTree(source)["sub"]);
  });

  test("a directory and all below it, but no name that only begins alike", async () => {
    const source = sampleTree();
    fs.mkdirSync(path.join(source, "sub2"));
    const { store, snapshot, destination } = await published(source);
    const report = await store.restore(snapshot, {
      destination,
      paths: ["./sub/", Buffer.from("dangling")],
    });
    expect(report.ok).toBe(true);
    expect(Object.keys(describeTree(destination)).toSorted()).toEqual([
      ".",
      "dangling",
      "sub",
      "sub/b.txt",
      "sub/deeper",
      "sub/deeper/empty",
      "sub/hard",
      "sub/link",
    ]);
    expect(fs.readFileSync(path.join(destination, "sub/hard"), "utf8")).toBe("hello");
  });

  test("a path that is not there, or leads out, is named before anything is written", async () => {
    const { store, snapshot, destination } = await published();
    await expect(
      store.restore(snapshot, { destination, paths: ["a.txt", "none"] }),
    ).rejects.toMatchObject({
      code: "ERR_STORE_NOT_FOUND",
      message: 'the snapshot has no "none"',
    });
    for (const bad of ["../a.txt", "sub/../../x", "a//b", ""]) {
      await expect(store.restore(snapshot, { destination, paths: [bad] })).rejects.toThrow(
        "is no path within a snapshot",
      );
    }
    expect(fs.readdirSync(destination)).toEqual([]);
  });
});

describe("what is there already", () => {
  test("is not overwritten, and nothing else is written either", async () => {
    const { store, snapshot, destination } = await published();
    fs.mkdirSync(path.join(destination, "sub"), { recursive: true });
    fs.writeFileSync(path.join(destination, "sub/b.txt"), "mine");
    fs.chmodSync(path.join(destination, "sub"), 0o700);
    await expect(store.restore(snapshot, { destination })).rejects.toMatchObject({
      code: "ERR_STORE_EXISTS",
      message: "sub/b.txt is there already",
    });
    expect(fs.readdirSync(destination, { recursive: true })).toEqual(["sub", "sub/b.txt"]);
    const report = await store.restore(snapshot, { destination, paths: ["sub/deeper"] });
    expect(report.ok).toBe(true);
    // A directory that was there keeps its own mode.
    expect(fs.statSync(path.join(destination, "sub")).mode & 0o777).toBe(0o700);
    expect(fs.statSync(path.join(destination, "sub/deeper")).mode & 0o777).toBe(0o750);
  });

  test("is replaced when asked for, other files stay", async () => {
    const { store, snapshot, source, destination } = await published();
    await store.restore(snapshot, { destination });
    fs.writeFileSync(path.join(destination, "a.txt"), "mine");
    fs.writeFileSync(path.join(destination, "sub/other"), "mine");
    fs.rmSync(path.join(destination, "dangling"));
    fs.symlinkSync("a.txt", path.join(destination, "dangling"));
    expect((await store.restore(snapshot, { destination, overwrite: true })).failures).toEqual([]);
    expect(fs.readFileSync(path.join(destination, "sub/other"), "utf8")).toBe("mine");
    fs.rmSync(path.join(destination, "sub/other"));
    await store.restore(snapshot, { destination, overwrite: true });
    expect(describeTree(destination)).toEqual(describeTree(source));
    fs.rmSync(path.join(destination, "a.txt"));
    fs.mkdirSync(path.join(destination, "a.txt"));
    await expect(store.restore(snapshot, { destination, overwrite: true })).rejects.toThrow(
      "a.txt is there already, and is a directory",
    );
  });

  test("as a symbolic link below the destination is never followed", async () => {
    const { store, snapshot, destination } = await published();
    const outside = scratch();
    fs.mkdirSync(destination);
    fs.symlinkSync(outside, path.join(destination, "sub"));
    await expect(store.restore(snapshot, { destination })).rejects.toThrow("sub is there already");
    await expect(store.restore(snapshot, { destination, paths: ["sub/b.txt"] })).rejects.toThrow(
      "sub is there already",
    );
    expect(fs.readdirSync(outside)).toEqual([]);
    expect((await store.restore(snapshot, { destination, overwrite: true })).ok).toBe(true);
    expect(fs.readdirSync(outside)).toEqual([]);
    expect(fs.lstatSync(path.join(destination, "sub")).isDirectory()).toBe(true);
    // The destination itself is the user's word.
    const linked = path.join(scratch(), "linked");
    fs.symlinkSync(outside, linked);
    expect((await store.restore(snapshot, { destination: linked, paths: ["a.txt"] })).ok).toBe(
      true,
    );
    expect(fs.readdirSync(outside)).toEqual(["a.txt"]);
  });
});

test("a damaged file is not restored, and is named; the others are", async () => {
  const { store, snapshot, destination } = await published();
  fs.writeFileSync(path.join(snapshot.dataPath, "sub/b.txt"), "y".repeat(3000));
  fs.rmSync(path.join(snapshot.dataPath, "sub/deeper/empty"));
  const report = await store.restore(snapshot, { destination });
  expect(report.ok).toBe(false);
  expect(report.failures.map(({ line }) => line).toSorted()).toEqual([
    "sub/b.txt was not restored: its content in the store is not what was saved",
    expect.stringMatching(
      /^sub\/deeper\/empty was not restored: ENOENT: no such file or directory/,
    ),
  ]);
  expect(fs.readdirSync(path.join(destination, "sub")).toSorted()).toEqual([
    "deeper",
    "hard",
    "link",
  ]);
});

test("an abort ends it, with nothing half-written under a final name", async () => {
  const source = sampleTree();
  fs.writeFileSync(path.join(source, "big"), Buffer.alloc(50_000_000, 1));
  const { store, snapshot, destination } = await published(source);
  const controller = new AbortController();
  const restoring = store.restore(snapshot, {
    destination,
    paths: ["big"],
    signal: controller.signal,
    onProgress: () => controller.abort(new Error("stop")),
  });
  await expect(restoring).rejects.toThrow("stop");
  expect(fs.readdirSync(destination)).toEqual([]);
});

test("a destination whose parent is missing is an error of one line", async () => {
  const { store, snapshot, destination } = await published();
  await expect(
    store.restore(snapshot, { destination: `${destination}/deeper` }),
  ).rejects.toMatchObject({
    code: "ERR_STORE_IO",
    message: expect.stringMatching(
      /^cannot restore from snapshot \S+: ENOENT: no such file or directory, mkdir/,
    ),
  });
});
