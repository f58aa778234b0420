import { spawnSync } from "node:child_process";
import * as fs from "node:fs";
import * as path from "node:path";
import { DirectoryHandle } from "@dialhome/posix-fs";
import { describe, expect, test } from "vitest";
import { isLocked } from "../../src/store/machine-lock.ts";
import type { SnapshotStore } from "../../src/store/snapshot-store.ts";
import type { PublishStep } from "../../src/store/transaction.ts";
import { runCommand, runScript, scriptArguments } from "./support/child.ts";
import {
  describeTree,
  key,
  newStore,
  openDescriptors,
  pullInto,
  sampleTree,
  scratch,
  snapshotOfTree,
} from "./support/rig.ts";

const STEPS: readonly (readonly [string, boolean])[] = [
  ["begun", false],
  ["pulled", false],
  ["manifest", false],
  ["meta", false],
  ["flush", false],
  ["rename", false],
  ["settle", true],
  ["catalog", true],
  ["latest", true],
  ["clean-up", true],
  ["done", true],
];

describe("killed at", () => {
  test.each(STEPS)(
    "%s, nothing half is there and the next run goes on",
    { timeout: 60_000 },
    async (step, published) => {
      const store = await newStore();
      const source = sampleTree();
      const first = await snapshotOfTree(store, source);
      const firstTree = describeTree(first.path);
      fs.writeFileSync(path.join(source, "a.txt"), "second");
      {
        // Something to resume, so that there is something to clean up.
        await using tx = await store.begin(key("host1"), { name: "host1" });
        pullInto(tx, source);
      }
      const script = runScript("crash-child.ts", store.root, source, step);
      expect([await script.ended, script.errors()]).toEqual(["SIGKILL", ""]);

      const check = async (reader: SnapshotStore): Promise<void> => {
        const list = await reader.list();
        expect(list.map(({ id }) => id)).toHaveLength(published ? 2 : 1);
        for (const snapshot of list) {
          expect((await reader.verify(snapshot, { level: "full" })).mismatches).toEqual([]);
        }
        expect(describeTree(first.path)).toEqual(firstTree);
      };
      await check(store);
      await check(await newStore({}, store.root));

      const next = await snapshotOfTree(store, source);
      expect(describeTree(next.dataPath)).toEqual(describeTree(source));
      expect((await store.verify(next, { level: "full" })).mismatches).toEqual([]);
      expect(describeTree(first.path)).toEqual(firstTree);
      const machine = path.dirname(next.path);
      const list = await store.list();
      expect(
        fs
          .readdirSync(machine)
          .filter((name) => !name.startsWith(".lock."))
          .toSorted(),
      ).toEqual([".trash", "latest", ...list.map(({ id }) => id)].toSorted());
      expect(fs.readdirSync(path.join(machine, ".trash"))).toEqual([]);
      expect(fs.readlinkSync(path.join(machine, "latest"))).toBe(next.id);
      const catalog = fs.readFileSync(path.join(store.root, "catalog.ndjson"), "utf8");
      for (const { id } of list) expect(catalog).toContain(id);
    },
  );
});

test("the steps come in their order, and a failure at each keeps the lock and the descriptors free", async () => {
  const source = sampleTree();
  const steps: PublishStep[] = [];
  let fatal: PublishStep | undefined;
  const store = await newStore({
    onStep(step) {
      steps.push(step);
      if (step === fatal) throw new Error(`no further than ${step}`);
    },
  });
  await snapshotOfTree(store, source);
  const all = [...steps];
  expect(all).toEqual([
    "manifest",
    "meta",
    "flush",
    "rename",
    "settle",
    "catalog",
    "latest",
    "clean-up",
    "done",
  ]);
  const before = openDescriptors();
  for (const step of all) {
    fatal = step;
    await expect(snapshotOfTree(store, source)).rejects.toThrow(`no further than ${step}`);
    using machine = DirectoryHandle.open(path.join(store.root, "hosts", key("host1")));
    expect(isLocked(machine)).toBe(false);
  }
  expect(openDescriptors()).toBe(before);
  fatal = undefined;
  const last = await snapshotOfTree(store, source);
  for (const snapshot of await store.list()) {
    expect((await store.verify(snapshot, { level: "full" })).mismatches).toEqual([]);
  }
  expect(last.sequence).toBe(all.length + 2);
});

test("an aborted preparation leaves nothing", async () => {
  const store = await newStore();
  await expect(
    store.begin(key("host1"), { name: "host1", signal: AbortSignal.abort(new Error("stop")) }),
  ).rejects.toThrow("stop");
  expect(store.namesOf()).toEqual([]);
  const controller = new AbortController();
  await using tx = await store.begin(key("host1"), { name: "host1" });
  pullInto(tx, sampleTree());
  const publishing = tx.publish({ exitCode: 0 }, controller.signal);
  controller.abort(new Error("stop"));
  await expect(publishing).rejects.toThrow("stop");
  expect(await store.list()).toEqual([]);
});

test("files of a pull that a power cut ended are not taken over", async () => {
  const store = await newStore();
  const source = sampleTree();
  const script = runScript("crash-child.ts", store.root, source, "pulled");
  await script.ended;
  const partial = path.join(store.root, "hosts", key("host1"), ".partial.000001");
  const state = path.join(partial, "state.json");
  expect(JSON.parse(fs.readFileSync(state, "utf8"))).toMatchObject({ flushed: false });
  fs.writeFileSync(state, JSON.stringify({ boot: "another boot", flushed: false }));
  await using tx = await store.begin(key("host1"), { name: "host1" });
  expect(tx.resumeBasis).toBeUndefined();
  expect(fs.existsSync(partial)).toBe(false);
  await tx.abort();
  // This one was flushed when it was put aside, and survives a boot.
  const kept = path.join(store.root, "hosts", key("host1"), ".partial.000002/state.json");
  expect(JSON.parse(fs.readFileSync(kept, "utf8"))).toMatchObject({ flushed: true });
  fs.writeFileSync(kept, JSON.stringify({ boot: "another boot", flushed: true }));
  await using next = await store.begin(key("host1"), { name: "host1" });
  expect(next.resumeBasis).toContain(".partial.000002");
});

const canMount = spawnSync("unshare", ["-m", "true"]).status === 0;

test.runIf(canMount)(
  "a full disk is one clear line, and with room again all is well",
  { timeout: 60_000 },
  async () => {
    const mount = path.join(scratch(), "mount");
    fs.mkdirSync(mount);
    const command = `mount -t tmpfs -o size=2m tmpfs "$0" && exec "$@"`;
    const node = [process.execPath, ...scriptArguments("full-child.ts", mount, sampleTree())];
    const script = runCommand(
      "unshare",
      "-m",
      "--propagation",
      "private",
      "sh",
      "-c",
      command,
      mount,
      ...node,
    );
    const lines: (string | undefined)[] = [];
    for (let line = await script.line(); line !== undefined; line = await script.line())
      lines.push(line);
    expect([await script.ended, script.errors()]).toEqual([0, ""]);
    expect(lines).toEqual([
      expect.stringMatching(
        /^ERR_STORE_FULL cannot write the manifest of \S+\.000001: no space left$/,
      ),
      expect.stringMatching(/^ERR_STORE_FULL cannot begin a snapshot of "host1": no space left$/),
      expect.stringMatching(/^ERR_STORE_FULL cannot publish snapshot \S+: no space left$/),
      "ok 1",
    ]);
  },
);
