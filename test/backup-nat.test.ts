// A device behind two NATs: what goes over the network during a backup, and who listens.
import { mkdirSync, writeFileSync } from "node:fs";
import { expect, it, vi } from "vitest";
import { startBackup, startBackupHost } from "./support/backup-rig.ts";
import { assertVerified, snapshotsOf } from "./support/backup-store.ts";
import { treeDifferences } from "./support/compare-trees.ts";
import { buildDoubleNat, HOST_ADDRESS, NAT_ADDRESS } from "./support/netns-double-nat.ts";
import { describeWithPeers } from "./support/peers.ts";
import { runOk, start } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeLargeTree } from "./support/tree.ts";

// Every step is a process that starts; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

/** Counts, at the device's own router, the packets that ask for a new TCP connection, in each direction. */
const COUNTER = `
table ip counted {
  counter out { }
  counter in { }
  chain c {
    type filter hook prerouting priority -300;
    iifname "lan" tcp flags & (syn | ack) == syn counter name out
    iifname "wan" tcp flags & (syn | ack) == syn counter name in
  }
}`;

describeWithPeers(["root", "ip", "ss", "nft", "rsync"], "a device behind two NATs", () => {
  it("is backed up over the one connection that it makes, and nobody listens but sshd's stand-in", async () => {
    await using nat = await buildDoubleNat();
    await using folder = tempDir();
    const source = folder.at("source");
    mkdirSync(source);
    makeLargeTree(source, { files: 400, folders: 20, seed: "nat" });
    const nft = async (...args: string[]): Promise<string> => {
      const [program, ...rest] = [...nat.through("nat1"), "nft", ...args];
      return runOk(program ?? "", rest);
    };
    await nft(COUNTER);

    // The host waits here, in the middle of a backup, until it is let go.
    const reached = folder.at("reached");
    await runOk("mkfifo", [reached, folder.at("go")]);
    const hook = folder.at("hook");
    const script = `#!/bin/sh\necho reached >${reached}\nread -r go <${folder.at("go")}\n`;
    writeFileSync(hook, script, { mode: 0o755 });
    await using host = await startBackupHost({
      listen: `${HOST_ADDRESS}:0`,
      through: nat.through("host"),
      args: ["-x", `rsync.pre:${hook}`],
    });
    const port = `${HOST_ADDRESS}:${host.port}`;
    const listeners = async (): Promise<{ host: string[]; device: string[] }> => ({
      host: (await nat.listeners("host")).map(({ local }) => local),
      device: (await nat.listeners("device")).map(({ local }) => local),
    });
    const onlySsh = { host: [port], device: [] };
    expect(await listeners()).toEqual(onlySsh);

    const key = host.addDevice();
    await using device = startBackup({
      host,
      key,
      name: "behind",
      path: source,
      through: nat.through("device"),
    });
    const ended = device.ended;
    await using waiting = start("cat", [reached]);
    await Promise.race([
      waiting.waitFor("stdout", /reached/),
      ended.then((end) => {
        throw new Error(`ended with ${end.code}: ${end.stderr}`);
      }),
    ]);
    // The tunnel is granted and proven, the transfer is about to begin.
    expect(await listeners()).toEqual(onlySsh);
    const seenFromHost = await nat.connections("host");
    expect(seenFromHost.map(({ local, peer }) => [local, peer.split(":")[0]])).toEqual([
      [port, NAT_ADDRESS],
    ]);
    const seenFromDevice = await nat.connections("device");
    expect(seenFromDevice.map(({ peer }) => peer)).toEqual([port]);
    writeFileSync(folder.at("go"), "go\n");

    const { code, stderr } = await ended;
    expect(code, stderr).toBe(0);
    expect(await listeners()).toEqual(onlySsh);
    expect(await nft("list", "counter", "ip", "counted", "out")).toMatch(/packets 1 /);
    expect(await nft("list", "counter", "ip", "counted", "in")).toMatch(/packets 0 /);
    const [snapshot] = await snapshotsOf(host.store);
    expect(treeDifferences(source, snapshot?.dataPath ?? "")).toEqual([]);
    await assertVerified(host.store);
  });
});
