import * as fs from "node:fs";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { describe, expect, test } from "vitest";
import type { Snapshot } from "../../src/store/snapshot.ts";
import type { SnapshotStore } from "../../src/store/snapshot-store.ts";
import type { VerifyProgress } from "../../src/store/verify.ts";
import { newStore, sampleTree, scratch, snapshotOfTree } from "./support/rig.ts";

async function published(): Promise<{
  readonly store: SnapshotStore;
  readonly snapshot: Snapshot;
}> {
  const store = await newStore();
  return { store, snapshot: await snapshotOfTree(store, sampleTree()) };
}

const isRoot = process.getuid?.() === 0;

/** Does something to a file and puts its directory's time back, as damage on a disk would be. */
function damage(data: string, file: string, action: (path: string) => void): void {
  const directory = path.dirname(path.join(data, file));
  using handle = DirectoryHandle.open(directory);
  const before = handle.stat();
  action(path.join(data, file));
  handle.setTimesOfFd(handle.fd, before);
}

function keepTime(file: string, action: () => void): void {
  using handle = DirectoryHandle.open(path.dirname(file));
  const name = Buffer.from(path.basename(file));
  const before = handle.lstat(name);
  action();
  if (before !== undefined) handle.setTimes(name, before);
}

describe("each difference is one clear line", () => {
  test.each<[string, string, "quick" | "full", (file: string) => void, string[]]>([
    ["a missing file", "sub/b.txt", "quick", (file) => fs.rmSync(file), ["sub/b.txt is missing"]],
    [
      "an extra file",
      "sub/new",
      "quick",
      (file) => fs.writeFileSync(file, ""),
      ["sub/new is not in the manifest"],
    ],
    [
      "a size",
      "sub/b.txt",
      "quick",
      (file) => keepTime(file, () => fs.truncateSync(file, 5)),
      ["sub/b.txt has 5 bytes, not 3000"],
    ],
    [
      "a mode",
      "sub/b.txt",
      "quick",
      (file) => fs.chmodSync(file, 0o4755),
      ["sub/b.txt has mode 4755, not 0600"],
    ],
    [
      "a time",
      "a.txt",
      "quick",
      (file) => fs.utimesSync(file, 5, 5),
      [
        "a.txt has time 5.000000000, not 1600000000.123456789",
        "sub/hard has time 5.000000000, not 1600000000.123456789",
      ],
    ],
    [
      "content",
      "sub/b.txt",
      "full",
      (file) => keepTime(file, () => fs.writeFileSync(file, "y".repeat(3000))),
      ["sub/b.txt has other content than when it was saved"],
    ],
    [
      "a link's target",
      "dangling",
      "quick",
      (file) => {
        keepTime(file, () => {
          fs.rmSync(file);
          fs.symlinkSync("/elsewhere", file);
        });
      },
      ["dangling points to /elsewhere, not to /nowhere"],
    ],
    [
      "a type",
      "sub/deeper/empty",
      "quick",
      (file) => {
        fs.rmSync(file);
        fs.mkdirSync(file);
      },
      ["sub/deeper/empty is a directory, not a file"],
    ],
    [
      "a file in a directory's place",
      "sub/deeper",
      "quick",
      (file) => {
        fs.rmSync(file, { recursive: true });
        fs.writeFileSync(file, "");
      },
      ["sub/deeper is a file, not a directory", "sub/deeper/empty is missing"],
    ],
    [
      "a parted hard link",
      "sub/hard",
      "quick",
      (file) => {
        keepTime(file, () => {
          fs.rmSync(file);
          fs.writeFileSync(file, "hello");
        });
      },
      ["sub/hard is no hard link to a.txt"],
    ],
  ])("%s", async (_, file, level, action, lines) => {
    const { store, snapshot } = await published();
    damage(snapshot.dataPath, file, action);
    const report = await store.verify(snapshot, { level });
    expect(report.ok).toBe(false);
    const told = report.mismatches.map(({ line }) => line).toSorted();
    // Either of the two may be the leader.
    const parted = told.map((line) =>
      line.replace("a.txt is no hard link to sub/hard", "sub/hard is no hard link to a.txt"),
    );
    expect(parted).toEqual(lines);
  });

  test.runIf(isRoot)("an owner, of a link too", async () => {
    const { store, snapshot } = await published();
    fs.lchownSync(path.join(snapshot.dataPath, "dangling"), 7, 8);
    const report = await store.verify(snapshot);
    expect(report.mismatches.map(({ line }) => line)).toEqual([
      "dangling belongs to 7:8, not to 0:0",
    ]);
  });

  test("content is only read when asked for", async () => {
    const { store, snapshot } = await published();
    const file = path.join(snapshot.dataPath, "sub/b.txt");
    keepTime(file, () => fs.writeFileSync(file, "y".repeat(3000)));
    expect(await store.verify(snapshot)).toMatchObject({ ok: true, level: "quick", bytes: 0 });
    expect(await store.verify(snapshot, { level: "full" })).toMatchObject({
      ok: false,
      mismatchCount: 1,
    });
  });
});

describe("what proves the manifest is checked too", () => {
  test("a manifest that was exchanged, cut, or is missing", async () => {
    const { store, snapshot } = await published();
    const file = path.join(snapshot.path, "manifest.ndjson.gz");
    const whole = fs.readFileSync(file);
    const other = await snapshotOfTree(store, sampleTree(), "host2");
    fs.copyFileSync(path.join(other.path, "manifest.ndjson.gz"), file);
    const kinds = async (): Promise<string[]> =>
      (await store.verify(snapshot)).mismatches.map(({ kind }) => kind);
    expect(await kinds()).toContain("manifest");
    fs.writeFileSync(file, whole.subarray(0, 100));
    expect(await kinds()).toEqual(["manifest", "manifest"]);
    fs.rmSync(file);
    const report = await store.verify(snapshot);
    expect(report.mismatches.map(({ line }) => line)).toEqual(["manifest: it is missing"]);
  });

  test("a meta.json that was changed, by the next snapshot's chain", async () => {
    const store = await newStore();
    const source = sampleTree();
    const first = await snapshotOfTree(store, source);
    const second = await snapshotOfTree(store, source);
    const file = path.join(first.path, "meta.json");
    fs.writeFileSync(
      file,
      fs.readFileSync(file, "utf8").replace('"exitCode": 0', '"exitCode": 24'),
    );
    expect((await store.verify(first)).ok).toBe(true);
    expect((await store.verify(second)).mismatches).toEqual([
      { kind: "chain", path: undefined, line: `meta.json of ${first.id} was changed since` },
    ]);
    fs.writeFileSync(file, "{}");
    expect((await store.verify(first)).mismatches.map(({ kind }) => kind)).toEqual(["meta"]);
  });

  test("a tree that is gone", async () => {
    const { store, snapshot } = await published();
    fs.rmSync(snapshot.dataPath, { recursive: true });
    expect((await store.verify(snapshot)).mismatches.map(({ line }) => line)).toEqual([
      "the whole tree is missing",
    ]);
    fs.symlinkSync("/etc", snapshot.dataPath);
    expect((await store.verify(snapshot)).ok).toBe(false);
  });
});

test("no symbolic link leads out of the snapshot", async () => {
  const { store, snapshot } = await published();
  const outside = path.join(scratch(), "outside");
  fs.cpSync(path.join(snapshot.dataPath, "sub"), outside, {
    recursive: true,
    verbatimSymlinks: true,
  });
  fs.rmSync(path.join(snapshot.dataPath, "sub"), { recursive: true });
  fs.symlinkSync(outside, path.join(snapshot.dataPath, "sub"));
  const lines = (await store.verify(snapshot, { level: "full" })).mismatches.map(
    ({ line }) => line,
  );
  expect(lines).toContain("sub is a symlink, not a directory");
  expect(lines).toContain("sub/b.txt is missing");
});

test("many differences are counted, ten thousand are told", async () => {
  const { store, snapshot } = await published();
  // Links, since ten thousand new files take long on some file systems.
  for (let i = 0; i < 10_050; i++) {
    fs.linkSync(
      path.join(snapshot.dataPath, "sub/b.txt"),
      path.join(snapshot.dataPath, `sub/x${i}`),
    );
  }
  const report = await store.verify(snapshot);
  // The directory's own time is one more.
  expect(report.mismatchCount).toBe(10_051);
  expect(report.mismatches).toHaveLength(10_000);
  expect(report.mismatches.at(-1)?.line).toMatch(/^sub\/x\d+ is not in the manifest$/);
});

test("progress reaches the end, and an abort ends it", async () => {
  const { store, snapshot } = await published();
  const progress: VerifyProgress[] = [];
  const report = await store.verify(snapshot, {
    level: "full",
    onProgress: (now) => {
      progress.push(now);
    },
  });
  expect(report.ok).toBe(true);
  expect(progress.at(-1)).toEqual({
    entries: snapshot.totals.entries,
    totalEntries: snapshot.totals.entries,
    bytes: snapshot.totals.bytes,
    totalBytes: snapshot.totals.bytes,
  });
  const signal = AbortSignal.abort(new Error("stop"));
  await expect(store.verify(snapshot, { signal })).rejects.toThrow("stop");
});
