import { once } from "node:events";
import { appendFileSync, lutimesSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import { expect, test } from "vitest";
import { assertEqualTrees, rsyncDifferences, treeDifferences } from "./support/compare-trees.ts";
import { startCutProxy } from "./support/cut-proxy.ts";
import { mountSmallDisk } from "./support/full-disk.ts";
import { buildDoubleNat, HOST_ADDRESS, NAT_ADDRESS } from "./support/netns-double-nat.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { freePort } from "./support/ports.ts";
import { run, runOk } from "./support/processes.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeLargeTree, makeNastyTree } from "./support/tree.ts";
import { changeTree } from "./support/tree-changes.ts";

// The rigs that other tests stand on: each is seen working with real programs only, and seen noticing a difference.

describeWithPeers(["rsync"], "trees and the real daemon", () => {
  test("what the real rsync pulls from the real daemon compares as equal, and each difference is seen", async () => {
    await using dir = tempDir();
    const [source, copy] = [dir.at("source"), dir.at("copy")];
    await runOk("mkdir", [source, copy]);
    await makeNastyTree(source);
    await using daemon = await startRealRsyncd({
      modules: { tree: { path: source } },
      users: { alice: "sesame" },
    });
    const pull = ["-aHDS", "--numeric-ids", daemon.url("tree", "", "alice"), `${copy}/`];
    const refused = await run(requirePeer("rsync"), pull, { env: { RSYNC_PASSWORD: "wrong" } });
    expect(refused.code).toBe(5);
    await runOk(requirePeer("rsync"), pull, { env: { RSYNC_PASSWORD: "sesame" } });
    await assertEqualTrees(source, copy);

    lutimesSync(join(copy, "times/link"), 1_300_000_000, 1_300_000_000);
    expect(treeDifferences(source, copy)).toHaveLength(1); // nanoseconds, to which rsync -n is blind
    lutimesSync(join(copy, "times/link"), 1_200_000_000, 1_200_000_000);
    expect(await rsyncDifferences(source, copy)).toContain("times/link");
    rmSync(join(copy, "links/deep/second"));
    expect(treeDifferences(source, copy).join("\n")).toContain("links/deep/second");
    await expect(assertEqualTrees(source, copy)).rejects.toThrow("links/deep/second");
  });

  test("the large tree has more than 2,000 files, is the same each time, and changes the same way", async () => {
    await using dir = tempDir();
    const [one, two] = [dir.at("one"), dir.at("two")];
    await runOk("mkdir", [one, two]);
    const files = makeLargeTree(one);
    makeLargeTree(two);
    expect(files.length).toBeGreaterThan(2_000);
    await assertEqualTrees(one, two);
    const changed = changeTree(one, files);
    expect(new Set(changed.values()).size).toBe(7);
    const itemized = await rsyncDifferences(one, two);
    for (const [path, change] of changed) {
      const name = change === "rename" ? `${path}.renamed` : path;
      expect(itemized).toContain(name);
    }
    expect(treeDifferences(one, two).length).toBeGreaterThan(changed.size);
  });
});

test("the cut proxy passes on that nobody listens", async () => {
  await using proxy = await startCutProxy({ port: await freePort() });
  const socket = connect(proxy.port, "127.0.0.1");
  await expect(once(socket, "end")).rejects.toThrow("ECONNRESET");
});

describeWithPeers(["rsync"], "cut proxy before the real daemon", () => {
  test("a pull that is cut at a byte fails; the bytes are counted", async () => {
    await using dir = tempDir();
    const [source, copy] = [dir.at("source"), dir.at("copy")];
    await runOk("mkdir", [source, copy]);
    makeLargeTree(source, { files: 200, folders: 10 });
    await using daemon = await startRealRsyncd({ modules: { tree: { path: source } } });
    await using proxy = await startCutProxy(daemon, {
      direction: "to-client",
      afterBytes: 400_000,
      action: "cut",
    });
    const url = `rsync://127.0.0.1:${proxy.port}/tree/`;
    const failed = await run(requirePeer("rsync"), ["-a", url, copy]);
    expect(failed.code).not.toBe(0);
    expect(proxy.toClient).toBe(400_000);
    await proxy.broken;
    await runOk(requirePeer("rsync"), ["-aH", url, copy]);
    expect(proxy.connections).toBe(2);
    await assertEqualTrees(source, copy, { hardLinks: true });
  });
});

describeWithPeers(["root"], "small disk", () => {
  test("is full when it is full", async () => {
    await using disk = await mountSmallDisk(1 << 20);
    expect(() => appendFileSync(join(disk.path, "file"), Buffer.alloc(2 << 20))).toThrow("ENOSPC");
  });
});

describeWithPeers(["root", "ip", "ss", "nft", "rsync"], "a device behind two NATs", () => {
  test("reaches the host and cannot be reached; sockets are listed", async () => {
    await using dir = tempDir();
    writeFileSync(dir.at("conf"), "use chroot = no\n");
    await using nat = await buildDoubleNat();
    const daemon = ["--daemon", "--no-detach", `--config=${dir.at("conf")}`, "--port=8730"];
    await using server = nat.start("host", requirePeer("rsync"), daemon);
    await using inner = nat.start("device", requirePeer("rsync"), daemon);
    while ((await nat.listeners("host")).length === 0) expect(server.child.exitCode).toBeNull();
    while ((await nat.listeners("device")).length === 0) expect(inner.child.exitCode).toBeNull();
    const [listener] = await nat.listeners("host");
    expect(listener?.local).toMatch(/:8730$/);

    const list = `rsync://${HOST_ADDRESS}:8730/`;
    await using out = nat.start("device", requirePeer("rsync"), [list]);
    expect((await out.ended).code).toBe(0);
    const back = `rsync://${NAT_ADDRESS}:8730/`;
    await using refused = nat.start("host", requirePeer("rsync"), ["--contimeout=1", back]);
    expect((await refused.ended).code).not.toBe(0);

    const open = `require("net").connect(8730, "${HOST_ADDRESS}").on("data", () => console.log("up"))`;
    await using client = nat.start("device", process.execPath, ["-e", open]);
    await client.waitFor("stdout", /up/);
    const [connection, ...others] = await nat.connections("host");
    expect(others).toEqual([]);
    expect(connection?.peer).toContain(NAT_ADDRESS);
    expect((await nat.connections("device"))[0]?.peer).toBe(`${HOST_ADDRESS}:8730`);
  });
});
