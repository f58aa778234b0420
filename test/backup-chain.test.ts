// A device and its backup host, two processes of the command line: what is backed up, kept and given back.
import {
  appendFileSync,
  chmodSync,
  chownSync,
  linkSync,
  mkdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { type Snapshot, SnapshotStore } from "@dialhome/reverse-backup";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import { startGate } from "./support/backup-gate.ts";
import {
  type BackupHostRig,
  backUpOk,
  type DeviceKey,
  jsonEvents,
  oneLine,
  runBackup,
  startBackupHost,
} from "./support/backup-rig.ts";
import { assertVerified, photograph, sharedInodes, snapshotsOf } from "./support/backup-store.ts";
import { assertEqualTrees, treeDifferences } from "./support/compare-trees.ts";
import { runDialhome } from "./support/dialhome-cli.ts";
import { changeMetadata, makeMetadataTree, setAttribute } from "./support/metadata-tree.ts";
import { describeWithPeers } from "./support/peers.ts";
import { runOk } from "./support/processes.ts";
import { seededRandom } from "./support/random.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";
import { makeLargeTree, makeNastyTree } from "./support/tree.ts";
import { changeTree } from "./support/tree-changes.ts";

// Every step is a process that starts; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const isRoot = process.getuid?.() === 0;

let host: BackupHostRig;
let folder: TempDir;

beforeAll(async () => {
  folder = tempDir();
  chmodSync(folder.path, 0o755);
  host = await startBackupHost();
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

/** The snapshots of one machine. */
async function snapshotsNamed(name: string): Promise<readonly Snapshot[]> {
  return (await snapshotsOf(host.store)).filter((snapshot) => snapshot.name === name);
}

/** The newest snapshot of a machine. */
async function latestOf(name: string): Promise<Snapshot> {
  using store = await SnapshotStore.open(host.store);
  return await store.find(name);
}

describeWithPeers(["rsync"], "backups of a large and nasty tree", () => {
  let key: DeviceKey;
  let source: string;
  let paths: readonly string[];
  let firstPhotograph: Map<string, string>;

  beforeAll(async () => {
    source = folder.at("source");
    mkdirSync(source);
    paths = makeLargeTree(source);
    mkdirSync(join(source, "nasty"));
    await makeNastyTree(join(source, "nasty"));
    key = host.addDevice();
  });

  it("keep a tree of more than 2,000 files as it is", async () => {
    const published = await backUpOk({ host, key, name: "main", path: source });
    expect(published["exitCode"]).toBe(0);
    expect(published["files"]).toBeGreaterThan(2_000);
    const snapshot = await latestOf("main");
    await assertEqualTrees(source, snapshot.dataPath);
    firstPhotograph = photograph(snapshot.path);
    // What nobody changed is read by nobody: the source is as it was, and so is its copy.
    await runOk("cp", ["-a", `${source}/.`, folder.at("source-at-first")]);
  });

  it("send little when little has changed, share what has not, and leave the old snapshot alone", async () => {
    const first = await latestOf("main");
    changeTree(source, paths);
    const published = await backUpOk({ host, key, name: "main", path: source });
    const second = await latestOf("main");
    expect(second.id).not.toBe(first.id);
    await assertEqualTrees(source, second.dataPath);

    // 3 × 100 bytes on the larger files and some blocks around them, 35 small files, two new ones.
    expect(published["literalBytes"]).toBeLessThan(200_000);
    expect(published["bytesReceived"]).toBeLessThan(400_000);
    const { shared, files } = sharedInodes(second.dataPath, first.dataPath);
    expect(files - shared).toBe(published["transferredFiles"]);
    expect(files - shared).toBeLessThan(60);

    expect(photograph(first.path)).toEqual(firstPhotograph);
    expect(treeDifferences(folder.at("source-at-first"), first.dataPath)).toEqual([]);
  });

  it("verify against their manifests, and no longer when a byte was changed", async () => {
    const verified = await runDialhome(["verify", host.store, "--json"]);
    expect(verified, verified.stderr).toMatchObject({ code: 0, stderr: "" });
    const copy = folder.at("store-copy");
    await runOk("cp", ["-a", host.store, copy]);
    const { keyId, id } = await latestOf("main");
    const victim = join(copy, "hosts", keyId, id, "data", "big-0");
    const { atime, mtime } = statSync(victim);
    writeFileSync(victim, Buffer.alloc(300_000));
    utimesSync(victim, atime, mtime);
    const damaged = await runDialhome(["verify", copy, "main"]);
    expect(damaged.code).toBe(3);
    expect(`${damaged.stdout}${damaged.stderr}`).toContain("big-0");
  });

  it("give back one file, and the whole tree", async () => {
    const restore = ["restore", host.store, "main"];
    const to = ["--to", folder.at("one")];
    const one = await runDialhome([...restore, "nasty/times/ns", ...to]);
    expect(one, one.stderr).toMatchObject({ code: 0, stderr: "" });
    expect(statSync(folder.at("one", "nasty/times/ns"), { bigint: true }).mtimeNs).toBe(
      1_600_000_000_123_456_789n,
    );
    const all = await runDialhome([...restore, "--to", folder.at("all")]);
    expect(all, all.stderr).toMatchObject({ code: 0, stderr: "" });
    await assertEqualTrees(source, folder.at("all"));
  });

  it("are not emptied by an empty tree under their name", async () => {
    const before = await snapshotsNamed("main");
    const photographs = before.map(({ path }) => photograph(path));
    mkdirSync(folder.at("empty"));
    const published = await backUpOk({ host, key, name: "main", path: folder.at("empty") });
    expect(published).toMatchObject({ files: 0, entries: 1 });
    const after = await snapshotsNamed("main");
    expect(after.map(({ id }) => id).slice(0, -1)).toEqual(before.map(({ id }) => id));
    expect(before.map(({ path }) => photograph(path))).toEqual(photographs);
    // The next real one is whole again.
    await backUpOk({ host, key, name: "main", path: source });
    await assertEqualTrees(source, (await latestOf("main")).dataPath);
  });
});

describe("access lists and extended attributes", () => {
  it("are kept, compared and given back where the device asks for it", async () => {
    const source = folder.at("attributed");
    mkdirSync(source);
    await makeMetadataTree(source);
    const device = { host, key: host.addDevice(), name: "attributed", path: source };
    await backUpOk(device);
    const without = await latestOf("attributed");
    expect(treeDifferences(source, without.dataPath, { attributes: true })).not.toEqual([]);
    await backUpOk({ ...device, args: ["-A"] });
    const first = await latestOf("attributed");
    expect(treeDifferences(source, first.dataPath, { attributes: true })).toEqual([]);

    changeMetadata(source);
    await backUpOk({ ...device, args: ["-A"] });
    const second = await latestOf("attributed");
    expect(treeDifferences(source, second.dataPath, { attributes: true })).toEqual([]);
    await assertVerified(host.store, [without, first, second]);
    const restored = folder.at("attributed-again");
    const args = ["restore", host.store, "attributed", "--to", restored];
    expect(await runDialhome(args)).toMatchObject({ code: 0 });
    expect(treeDifferences(source, restored, { attributes: true })).toEqual([]);

    setAttribute(second.dataPath, "short", "user.empty", Buffer.from("damaged"));
    await expect(assertVerified(host.store, [second])).rejects.toThrow(
      "short has other attributes than when it was saved",
    );
    const damaged = await runDialhome([...args.slice(0, -1), folder.at("damaged"), "short"]);
    expect(damaged).toMatchObject({ code: expect.not.toBeOneOf([0]) });
    expect(damaged.stderr).toContain("its attributes in the store are not what was saved");
  });
});

describe("the name of a device", () => {
  let tree: string;

  beforeAll(() => {
    tree = folder.at("small");
    mkdirSync(tree);
    writeFileSync(join(tree, "file"), "content");
  });

  /** A refusal is told to both in one line, and leaves the store and what is beside it as they were. */
  async function expectRefused(key: DeviceKey, name: string, why: RegExp): Promise<void> {
    const before = photograph(host.folder.path);
    const seen = host.events.length;
    const ended = await runBackup({ host, key, name, path: tree });
    expect(ended.code).toBe(1);
    expect(oneLine(ended.stderr)).toMatch(why);
    const failed = await host.waitForEvent("failed", seen);
    expect(failed["message"]).toMatch(why);
    expect(String(failed["message"])).not.toContain("\n");
    expect(photograph(host.folder.path)).toEqual(before);
  }

  it("is refused when it leads out of the store", async () => {
    await expectRefused(host.addDevice(), "../escaped", /machine name ".*escaped" /);
  });

  it("belongs to the key that had it first", async () => {
    const first = host.addDevice();
    await backUpOk({ host, key: first, name: "host1", path: tree });
    await expectRefused(host.addDevice(), "host1", /host1/);
    // Neither can one that has a name of its own take another's.
    const second = host.addDevice();
    await backUpOk({ host, key: second, name: "host2", path: tree });
    await expectRefused(second, "host1", /host1.*another key/);
  });

  // Whoever was first had it: the key that the line names was refused from then on.
  it("is kept for the key whose line gives it, also before that has used it", async () => {
    host.addDevice('environment="DIALHOME_NAME=reserved"');
    await expectRefused(host.addDevice(), "reserved", /"reserved".*another key's machine/);
  });

  it("is the host's to give: by the key's line, whatever the device says", async () => {
    const key = host.addDevice('environment="DIALHOME_NAME=laptop"');
    const published = await backUpOk({ host, key, name: "anything", path: tree });
    expect(published["name"]).toBe("laptop");
    expect((await snapshotsNamed("laptop")).length).toBe(1);
    expect(await snapshotsNamed("anything")).toEqual([]);
  });
});

describe.runIf(isRoot)("a host that is not root", () => {
  const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];

  // Devices were in neither tree nor manifest, and one closed directory ended the whole comparison.
  it("keeps in the manifest what it cannot make, compares what it can see, and root gets all of it back", async () => {
    const tree = folder.at("devices");
    mkdirSync(join(tree, "closed"), { recursive: true });
    writeFileSync(join(tree, "closed/file"), "root's");
    writeFileSync(join(tree, "file"), "content");
    chmodSync(join(tree, "closed"), 0);
    const devices = { null: "1 3", whiteout: "0 0" };
    for (const [name, numbers] of Object.entries(devices)) {
      await runOk("mknod", [join(tree, name), "c", ...numbers.split(" ")]);
    }
    await using plain = await startBackupHost({ through: nobody, ownerId: 65_534 });
    await backUpOk({ host: plain, key: plain.addDevice(), name: "devices", path: tree });
    const verify = ["verify", plain.store, "devices"];
    const seen = await runDialhome(verify, { through: nobody });
    expect([seen.code, seen.stderr]).toEqual([3, ""]);
    expect(seen.stdout).toMatch(/^devices \S+: closed\/file cannot be looked at: EACCES\n$/);
    expect(await runDialhome(verify)).toMatchObject({ code: 0 });
    const restored = folder.at("devices-again");
    const restore = ["restore", plain.store, "devices", "--to", restored];
    expect(await runDialhome(restore)).toMatchObject({ code: 0, stderr: "" });
    await assertEqualTrees(tree, restored);
  });
});

describe("filter rules of the device", () => {
  it("keep files from the host's eyes: of a file, and of files in the directories", async () => {
    const tree = folder.at("filtered");
    mkdirSync(join(tree, "with rules"), { recursive: true });
    for (const path of ["kept", "left.o", "two words", "with rules/kept", "with rules/left"]) {
      writeFileSync(join(tree, path), path);
    }
    writeFileSync(join(tree, "with rules/.nobackup"), "- left\n");
    writeFileSync(folder.at("rules"), "# comment\n- *.o\n\n- two words\n");
    const args = ["-f", folder.at("rules"), "-d", ".nobackup"];
    await backUpOk({ host, key: host.addDevice(), name: "filtered", path: tree, args });
    expect([...photograph((await latestOf("filtered")).dataPath).keys()].toSorted()).toEqual([
      "",
      "/kept",
      "/with rules",
      "/with rules/.nobackup",
      "/with rules/kept",
    ]);
  });
});

describe("files that cannot be read", () => {
  it("are named, backed up around, and end the device with 23", async () => {
    const name = "unreadable";
    const tree = folder.at("unreadable");
    mkdirSync(tree);
    writeFileSync(join(tree, "open"), "anybody's");
    writeFileSync(join(tree, "secret"), "nobody's", { mode: 0o000 });
    mkdirSync(join(tree, "closed"), { mode: 0o000 });
    writeFileSync(join(tree, "after"), "anybody's too");
    const key = host.addDevice();
    const home = folder.at("home");
    mkdirSync(home);
    // Root reads everything: the device is somebody else then.
    const through = isRoot ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
    if (isRoot) for (const path of [tree, key.path, home]) chownSync(path, 65_534, 65_534);
    if (isRoot) for (const path of ["open", "after"]) chownSync(join(tree, path), 65_534, 65_534);
    const seen = host.events.length;
    const ended = await runBackup({
      host,
      key,
      name,
      path: tree,
      through,
      env: { HOME: home, TMPDIR: home },
    });
    expect(ended.code, ended.stderr).toBe(23);
    expect(ended.stderr).toMatch(/secret/);
    expect(ended.stderr).toMatch(/closed/);
    for (const line of ended.stderr.trimEnd().split("\n")) expect(line).toMatch(/^dialhome: /);
    const published = await host.waitForEvent("published", seen);
    expect(published["exitCode"]).toBe(23);
    expect(JSON.stringify(published["problems"])).toMatch(/secret/);
    const snapshot = await latestOf(name);
    expect(snapshot).toMatchObject({ status: "partial", exitCode: 23 });
    expect([...photograph(snapshot.dataPath).keys()].toSorted()).toEqual([
      "",
      "/after",
      "/closed",
      "/open",
    ]);
    await assertVerified(host.store, [snapshot]);
    if (!isRoot) chmodSync(join(tree, "closed"), 0o700);
  });

  it("end the device with 24 when they vanished meanwhile", async () => {
    const name = "vanishing";
    const tree = folder.at("vanishing");
    mkdirSync(tree);
    writeFileSync(join(tree, "first"), "stays");
    // More than the buffers on the way hold: what comes behind it is not opened before the gate is.
    writeFileSync(join(tree, "large"), seededRandom("large").bytes(24 * 1024 * 1024));
    writeFileSync(join(tree, "vanishes"), "goes");
    writeFileSync(join(tree, "log"), "first line\n");
    linkSync(join(tree, "log"), join(tree, "log, again"));
    const key = host.addDevice();
    const seen = host.events.length;
    await using gate = await startGate(host.port, 1024 * 1024);
    const device = runBackup({ host, port: gate.port, key, name, path: tree });
    await gate.reached;
    rmSync(join(tree, "vanishes"));
    // What is longer than the list says is backed up as it is; its snapshot did not verify.
    appendFileSync(join(tree, "log"), "second line\n");
    gate.open();
    const ended = await device;
    expect(ended.code, ended.stderr).toBe(24);
    expect(oneLine(ended.stderr)).toMatch(/vanished.*vanishes/);
    expect(jsonEvents(ended.stdout).at(-1)).toMatchObject({ event: "done", exitCode: 24 });
    expect(await host.waitForEvent("published", seen)).toMatchObject({ exitCode: 24 });
    const snapshot = await latestOf(name);
    expect(snapshot).toMatchObject({ status: "partial", exitCode: 24 });
    await assertVerified(host.store, [snapshot]);
  });
});
