// What can go wrong before and during a backup, and the one line that each side says then.
import { mkdirSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type BackupHostRig,
  backUpOk,
  type DeviceKey,
  makeDeviceKey,
  oneLine,
  runBackup,
  startBackupHost,
} from "./support/backup-rig.ts";
import { assertVerified, photograph, snapshotsOf } from "./support/backup-store.ts";
import { treeDifferences } from "./support/compare-trees.ts";
import { runDialhome } from "./support/dialhome-cli.ts";
import { mountSmallDisk } from "./support/full-disk.ts";
import { describeWithPeers } from "./support/peers.ts";
import { seededRandom } from "./support/random.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

// Every step is a process that starts; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

let folder: TempDir;
let tree: string;

beforeAll(() => {
  folder = tempDir();
  tree = folder.at("tree");
  mkdirSync(tree);
  writeFileSync(join(tree, "file"), "content");
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

describe("a device and a host that do not trust each other", () => {
  let host: BackupHostRig;
  let key: DeviceKey;

  beforeAll(async () => {
    host = await startBackupHost();
    key = host.addDevice();
  });

  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  it("a key that the host does not know is refused", async () => {
    const stranger = makeDeviceKey(folder.at("stranger"));
    const ended = await runBackup({ host, key: stranger, name: "stranger", path: tree });
    expect(ended.code).toBe(255);
    expect(oneLine(ended.stderr)).toMatch(/authorized_keys/);
    expect(await snapshotsOf(host.store)).toEqual([]);
  });

  it("a host with another key, or one that nobody vouches for, is not talked to", async () => {
    const { publicLine } = makeDeviceKey(folder.at("other_host"));
    writeFileSync(folder.at("known_hosts"), `[127.0.0.1]:${host.port} ${publicLine}\n`);
    writeFileSync(folder.at("no_known_hosts"), "");
    for (const [knownHosts, why] of [
      ["known_hosts", /host key/i],
      ["no_known_hosts", /--host-key-fingerprint SHA256/],
    ] as const) {
      const address = `127.0.0.1:${host.port}`;
      const args = ["backup", "-n", "x", "-k", key.path, "--known-hosts", folder.at(knownHosts)];
      const ended = await runDialhome([...args, address, tree]);
      expect(ended.code).toBe(255);
      expect(oneLine(ended.stderr)).toMatch(why);
    }
    expect(await snapshotsOf(host.store)).toEqual([]);
  });

  it("a path that is not there is no empty backup", async () => {
    const ended = await runBackup({ host, key, name: "missing", path: folder.at("missing") });
    expect(ended.code).toBe(1);
    expect(oneLine(ended.stderr)).toMatch(/cannot back up ".*missing".*no such file/);
    expect(await snapshotsOf(host.store)).toEqual([]);
  });
});

describe("a host without its store", () => {
  it("does not begin", async () => {
    writeFileSync(folder.at("keys"), "");
    const keys = ["--authorized-keys", folder.at("keys"), "--host-key", folder.at("host_key")];
    const rest = ["--generate-host-key", "--listen", "127.0.0.1:0", ...keys];
    const ended = await runDialhome(["backup-host", folder.at("nowhere"), ...rest]);
    expect(ended.code).toBe(1);
    expect(oneLine(ended.stderr)).toMatch(/nowhere does not exist/);
  });

  it("refuses when the store goes away while it serves", async () => {
    await using host = await startBackupHost();
    const key = host.addDevice();
    rmSync(host.store, { recursive: true });
    const seen = host.events.length;
    const ended = await runBackup({ host, key, name: "gone", path: tree });
    expect(ended.code).toBe(1);
    const failed = await host.waitForEvent("failed", seen);
    expect(oneLine(ended.stderr)).toContain("the backup host refused: ");
    expect(String(failed["message"])).toMatch(/store|No such file|no such file/);
    expect(String(failed["message"])).not.toContain("\n");
  });
});

describeWithPeers(["root"], "a host whose disk is full", () => {
  it("publishes nothing, keeps what it has, and goes on when there is room", async () => {
    await using disk = await mountSmallDisk(12 * 1024 * 1024);
    await using host = await startBackupHost({ store: join(disk.path, "store") });
    const source = folder.at("large");
    mkdirSync(source);
    const random = seededRandom("full");
    writeFileSync(join(source, "first"), random.bytes(1_000_000));
    const device = { host, key: host.addDevice(), name: "full", path: source } as const;
    await backUpOk(device);
    const before = await snapshotsOf(host.store);
    const photographs = before.map(({ path }) => photograph(path));

    const ballast = join(disk.path, "ballast");
    writeFileSync(ballast, random.bytes(6_000_000));
    for (let n = 0; n < 80; n++) writeFileSync(join(source, `file-${n}`), random.bytes(100_000));
    const seen = host.events.length;
    const ended = await runBackup(device);
    expect(ended.code).toBe(1);
    expect(oneLine(ended.stderr)).toMatch(/no space left/i);
    const failed = await host.waitForEvent("failed", seen);
    expect(failed["message"]).toMatch(/no space left/i);
    expect(String(failed["message"])).not.toContain("\n");
    expect(await snapshotsOf(host.store)).toEqual(before);
    expect(before.map(({ path }) => photograph(path))).toEqual(photographs);
    await assertVerified(host.store);

    // The same again: what was left of the last one must not be in the way.
    expect((await runBackup(device)).code).toBe(1);

    rmSync(ballast);
    rmSync(join(source, "file-0"));
    await backUpOk(device);
    const after = await snapshotsOf(host.store);
    expect(after).toHaveLength(2);
    expect(treeDifferences(source, after[1]?.dataPath ?? "")).toEqual([]);
    await assertVerified(host.store);
    expect(before.map(({ path }) => photograph(path))).toEqual(photographs);
  });
});
