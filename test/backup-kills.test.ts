// kill -9 of either side and cuts of the connection, at random moments; the soak has ten times as many.
import { mkdirSync } from "node:fs";
import { describe, expect, it, vi } from "vitest";
import { type Blow, strikeBackups } from "./support/backup-kills.ts";
import { backUpOk, oneLine, runBackup, startBackupHost } from "./support/backup-rig.ts";
import { assertVerified, snapshotsOf } from "./support/backup-store.ts";
import { treeDifferences } from "./support/compare-trees.ts";
import { startCutProxy } from "./support/cut-proxy.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeLargeTree } from "./support/tree.ts";

// Every step is a process that starts; on a busy machine that takes its time.
vi.setConfig({ testTimeout: 240_000, hookTimeout: 120_000 });

describe("a backup that is struck down", () => {
  it.each<Blow>(["device", "host", "cut"])(
    "leaves nothing half, and the next one succeeds: %s",
    async (blow) => {
      const rounds = 3;
      const tally = await strikeBackups({ blow, rounds, seed: `kills-${blow}` });
      expect(tally.connecting + tally.accepted + tally.transfer + tally.published).toBe(rounds);
    },
  );

  it("is taken up again where it was cut", async () => {
    await using folder = tempDir();
    const source = folder.at("source");
    mkdirSync(source);
    makeLargeTree(source, { files: 400, folders: 20, meanBytes: 10_000, seed: "resume" });
    await using host = await startBackupHost();
    const device = { host, key: host.addDevice(), name: "resumed", path: source } as const;
    await using proxy = await startCutProxy(
      { port: host.port },
      { direction: "to-server", afterBytes: 5_500_000, action: "cut" },
    );
    const ended = await runBackup({ ...device, port: proxy.port });
    expect(ended.code).toBe(255);
    expect(oneLine(ended.stderr)).toMatch(/connection/);
    const failed = await host.waitForEvent("failed");
    expect(failed["message"]).toMatch(/connection/);
    expect(await snapshotsOf(host.store)).toEqual([]);

    const published = await backUpOk(device);
    const [snapshot] = await snapshotsOf(host.store);
    expect(treeDifferences(source, snapshot?.dataPath ?? "")).toEqual([]);
    await assertVerified(host.store);
    // Of the 5.5 MB that went through the proxy, some still lay unread at the host when the connection broke: the slower it is, the more.
    expect(published["bytes"]).toBeGreaterThan(6_000_000);
    expect(published["literalBytes"]).toBeLessThan(Number(published["bytes"]));
  });
});
