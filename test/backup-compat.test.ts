// Version 1 of the backup handshake: devices and hosts of the original kind against ours, over the real ssh and sshd.
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { tunnelPorts, tunnelProof } from "@dialhome/reverse-backup";
import { afterAll, beforeAll, describe, expect, it, vi } from "vitest";
import {
  type OriginalDeviceFaults,
  type OriginalDeviceResult,
  runOriginalDevice,
  type SshTarget,
} from "./support/backup-original-device.ts";
import {
  type BackupHostRig,
  backUpOk,
  type DeviceKey,
  oneLine,
  runBackup,
  startBackupHost,
} from "./support/backup-rig.ts";
import { assertVerified, photograph, snapshotsOf } from "./support/backup-store.ts";
import { portOf, proofOf, RECORDED_PORTS, RECORDED_PROOFS } from "./support/backup-version-1.ts";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { DIALHOME, runDialhome } from "./support/dialhome-cli.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { runOk } from "./support/processes.ts";
import { type Sshd, startSshd } from "./support/ssh-sshd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";
import { makeLargeTree, makeNastyTree } from "./support/tree.ts";

// Every step is a process that starts; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

const isRoot = process.getuid?.() === 0;

let folder: TempDir;
/** More than 2,000 files, and everything nasty. */
let large: string;
let small: string;

beforeAll(async () => {
  folder = tempDir();
  large = folder.at("large");
  mkdirSync(large);
  makeLargeTree(large, { meanBytes: 512, seed: "compat" });
  mkdirSync(join(large, "nasty"));
  await makeNastyTree(join(large, "nasty"));
  small = folder.at("small");
  mkdirSync(small);
  writeFileSync(join(small, "file"), "content");
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

/** A name whose ports on the loopback nobody else of this machine uses at the same time. */
function uniqueName(what: string): string {
  return `${what}-${process.pid}-${process.hrtime.bigint()}`;
}

describe("ports and proofs", () => {
  it("are those of the originals", () => {
    for (const [name, ports] of Object.entries(RECORDED_PORTS)) {
      expect(tunnelPorts(name)).toEqual(ports);
      expect([0, 1, 2, 3, 4].map((attempt) => portOf(name, attempt))).toEqual(ports);
    }
    const key = Buffer.from(Array.from({ length: 64 }, (_, byte) => byte));
    for (const side of ["server", "client"] as const) {
      expect(tunnelProof(key, side).toString("hex")).toBe(RECORDED_PROOFS[side]);
      expect(proofOf(key, side).toString("hex")).toBe(RECORDED_PROOFS[side]);
    }
  });
});

describeWithPeers(["ssh", "ssh-keygen", "rsync"], "an original device and our backup host", () => {
  let host: BackupHostRig;
  let key: DeviceKey;
  let target: SshTarget;

  beforeAll(async () => {
    host = await startBackupHost({ args: ["-t", "3"] });
    key = host.addDevice('environment="DIALHOME_NAME=original"');
    const publicKey = await runOk(requirePeer("ssh-keygen"), ["-yf", host.folder.at("host_key")]);
    writeFileSync(host.folder.at("known_hosts"), `[127.0.0.1]:${host.port} ${publicKey}`);
    target = {
      port: host.port,
      user: "backup",
      keyPath: key.path,
      knownHostsPath: host.folder.at("known_hosts"),
    };
  });

  afterAll(async () => {
    await host[Symbol.asyncDispose]();
  });

  it("make equal trees, twice", async () => {
    for (let round = 0; round < 2; round++) {
      const seen = host.events.length;
      const result = await runOriginalDevice({ target, name: "compat", path: large, su: isRoot });
      expect(result).toMatchObject({ answer: "done", sshExit: 0 });
      const published = await host.waitForEvent("published", seen);
      expect(published["transferredFiles"]).toBe(round === 0 ? published["newFiles"] : 0);
    }
    const snapshots = await snapshotsOf(host.store);
    expect(snapshots.map(({ name, status }) => [name, status])).toEqual([
      ["original", "complete"],
      ["original", "complete"],
    ]);
    for (const { dataPath } of snapshots) await assertEqualTrees(large, dataPath);
    await assertVerified(host.store);
  });

  const faults: readonly (readonly [string, OriginalDeviceFaults, RegExp])[] = [
    ["another greeting", { hello: "ssh-r-sync o/ 2" }, /sent "ssh-r-sync o\/ 2" instead of its gr/],
    ["no JSON", { offer: "start" }, /offer is not JSON/],
    ["an offer without a key", { offer: '{"name":"x","port":22001}' }, /offer has a wrong key/],
    ["a line without end", { offer: "x".repeat(70_000) }, /a line of more than 16384 bytes/],
    ["a port of another name", { port: portOf("another", 0) }, /port \d+ is none of those/],
    ["another proof", { proof: Buffer.alloc(64, 7) }, /port \d+ leads to somebody else/],
    ["another password", { password: "wrong" }, /auth failed on module sshrsync|password/],
    ["silence", { silent: true }, /did not send its greeting within 3 s/],
  ];

  it.each(faults)("refuse %s with one line, and publish nothing", async (_what, wrong, why) => {
    const before = await snapshotsOf(host.store);
    const seen = host.events.length;
    const result: OriginalDeviceResult = await runOriginalDevice({
      target,
      name: "compat",
      path: small,
      faults: wrong,
    });
    expect(result.answer).toBe("");
    expect(result.sshExit).not.toBe(0);
    const lines = result.stderr.split(/\r?\n/).filter((line) => line !== "");
    expect(lines.filter((line) => why.test(line))).toHaveLength(1);
    const failed = await host.waitForEvent("failed", seen);
    expect(failed["message"]).toMatch(why);
    expect(String(failed["message"])).not.toContain("\n");
    expect(await snapshotsOf(host.store)).toEqual(before);
  });
});

describeWithPeers(["sshd", "ssh", "ssh-keygen", "rsync"], "dialhome receive under sshd", () => {
  let sshd: Sshd;
  let store: string;

  beforeAll(async () => {
    store = folder.at("receive-store");
    sshd = await startSshd({
      config: [
        `ForceCommand ${DIALHOME.join(" ")} receive --create -t 3 ${store}`,
        "ExposeAuthInfo yes",
        "AllowTcpForwarding remote",
        "PermitTTY no",
      ],
    });
  });

  afterAll(async () => {
    await sshd[Symbol.asyncDispose]();
  });

  const targetOf = (): SshTarget => ({
    port: sshd.port,
    user: sshd.user,
    keyPath: sshd.clientKey.privatePath,
    knownHostsPath: sshd.knownHostsPath,
  });

  it("takes a backup of an original device, and then of ours", async () => {
    const name = uniqueName("receive");
    const result = await runOriginalDevice({ target: targetOf(), name, path: large, su: isRoot });
    expect(result).toMatchObject({ answer: "done", stderr: "", sshExit: 0 });
    const ended = await runBackup({
      host: { address: "127.0.0.1", port: sshd.port, fingerprint: sshd.hostKeyFingerprint },
      key: { path: sshd.clientKey.privatePath, publicLine: sshd.clientKey.publicLine },
      name,
      path: large,
    });
    expect(ended.code, ended.stderr).toBe(0);
    const snapshots = await snapshotsOf(store);
    expect(snapshots.map((snapshot) => snapshot.name)).toEqual([name, name]);
    expect(snapshots[1]?.totals.newFiles).toBe(0);
    for (const { dataPath } of snapshots) await assertEqualTrees(large, dataPath);
    await assertVerified(store);
  });

  it("tells what is wrong in one line, and leaves the store as it is", async () => {
    const before = photograph(store);
    for (const [faults, why] of [
      [{ hello: "hello" }, /^dialhome: the device sent "hello" instead of its greeting$/m],
      [{ proof: Buffer.alloc(64) }, /^dialhome: port \d+ leads to somebody else/m],
    ] as const) {
      const name = uniqueName("wrong");
      const result = await runOriginalDevice({ target: targetOf(), name, path: small, faults });
      expect(result).toMatchObject({ answer: "", sshExit: 1 });
      expect(oneLine(result.stderr)).toMatch(why);
    }
    expect(photograph(store)).toEqual(before);
  });

  it("refuses when nobody says which key logged in", async () => {
    const ended = await runDialhome(["receive", store], { env: { SSH_USER_AUTH: undefined } });
    expect(ended).toMatchObject({ code: 1, stdout: "" });
    expect(oneLine(ended.stderr)).toMatch(/which key logged in is not known/);
  });
});

describeWithPeers(["sshd", "ssh-keygen", "rsync"], "our device and an original host", () => {
  let sshd: Sshd;
  let backups: string;

  beforeAll(async () => {
    backups = folder.at("original-backups");
    mkdirSync(backups);
    const script = fileURLToPath(new URL("support/backup-original-host.ts", import.meta.url));
    const loader = `--import=${import.meta.resolve("tsx")}`;
    sshd = await startSshd({
      config: [
        `ForceCommand ${process.execPath} ${loader} ${script} ${backups} ${requirePeer("rsync")}`,
        "AllowTcpForwarding remote",
        "PermitTTY no",
      ],
    });
  });

  afterAll(async () => {
    await sshd[Symbol.asyncDispose]();
  });

  async function backUpTo(args: readonly string[], path = large): Promise<string> {
    const name = uniqueName("ours");
    const ended = await runBackup({
      host: { address: "127.0.0.1", port: sshd.port, fingerprint: sshd.hostKeyFingerprint },
      key: { path: sshd.clientKey.privatePath, publicLine: sshd.clientKey.publicLine },
      name,
      path,
      args,
    });
    expect(ended.code, ended.stderr).toBe(0);
    return join(backups, name);
  }

  /** What the original host keeps of a device without privileges: no modes, no owners. */
  async function expectEqualContents(copy: string): Promise<void> {
    const args = ["-nrltHEc", "--itemize-changes", "--delete", `${large}/`, `${copy}/`];
    expect(await runOk(requirePeer("rsync"), args)).not.toMatch(/^[>*c]/m);
  }

  it("make equal contents with our daemon, unprivileged", async () => {
    await expectEqualContents(await backUpTo(["-u"]));
  });

  it.runIf(isRoot)("make equal trees with our daemon, privileged", async () => {
    await assertEqualTrees(large, await backUpTo([]));
  });

  it.runIf(isRoot)("make equal trees with the real rsync, privileged", async () => {
    await assertEqualTrees(large, await backUpTo(["--rsync", requirePeer("rsync")]));
  });

  it("tell what the host said when it refused", async () => {
    const ended = await runBackup({
      host: { address: "127.0.0.1", port: sshd.port, fingerprint: sshd.hostKeyFingerprint },
      key: { path: sshd.clientKey.privatePath, publicLine: sshd.clientKey.publicLine },
      name: `${uniqueName("no")}/such/folder`,
      path: small,
    });
    expect(ended.code).toBe(1);
    expect(oneLine(ended.stderr)).toMatch(/the backup host refused: rsync ended with/);
  });
});

describeWithPeers(["rsync"], "our device and our host", () => {
  it("make equal trees when the real rsync serves", async () => {
    await using host = await startBackupHost();
    const key = host.addDevice();
    const args = ["--rsync", requirePeer("rsync"), ...(isRoot ? [] : ["-u"])];
    await backUpOk({ host, key, name: "real", path: large, args });
    const [snapshot] = await snapshotsOf(host.store);
    await assertEqualTrees(large, snapshot?.dataPath ?? "");
  });
});
