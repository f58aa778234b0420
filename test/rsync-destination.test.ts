import { createWriteStream, lstatSync, mkdirSync, readFileSync, readlinkSync } from "node:fs";
import { pipeline } from "node:stream/promises";
import { isRegularFile, isSymlink } from "@dialhome/rsync-protocol";
import { pull } from "@dialhome/rsync-protocol-client";
import { expect, it } from "vitest";
import { MemoryStore } from "../packages/rsync-protocol-client/test/support/memory-store.ts";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { startCutProxy } from "./support/cut-proxy.ts";
import { describeWithPeers } from "./support/peers.ts";
import { runOk } from "./support/processes.ts";
import { ARCHIVE, dial, pullFromDaemon } from "./support/pull-real.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { TarDestination } from "./support/tar-destination.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeLargeTree, makeNastyTree } from "./support/tree.ts";
import { changeTree } from "./support/tree-changes.ts";

/**
 * How what a store keeps differs from a tree.
 * @param unitNs - of the sender's times
 */
function differences(store: MemoryStore, root: string, unitNs = 1n): string[] {
  const found: string[] = [];
  for (const [name, { entry, content }] of store.names) {
    const path = Buffer.concat([Buffer.from(`${root}/`), Buffer.from(name, "latin1")]);
    const stat = lstatSync(path, { bigint: true });
    const mtimeNs = BigInt(entry.mtime) * 1_000_000_000n + BigInt(entry.mtimeNsec);
    if (BigInt(entry.mode) !== stat.mode || BigInt(entry.uid) !== stat.uid) found.push(name);
    if (mtimeNs / unitNs !== stat.mtimeNs / unitNs) found.push(`${name}: ${mtimeNs}`);
    if (isRegularFile(entry) && !content.equals(readFileSync(path))) found.push(`${name}: content`);
    const target = isSymlink(entry) ? readlinkSync(path, "latin1") : undefined;
    if (target !== undefined && target !== entry.linkTarget) found.push(`${name}: ${target}`);
  }
  return found;
}

describeWithPeers(["rsync"], "a pull from the real rsync --daemon into another store", () => {
  it("has all of a nasty tree, and then nothing more to do", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    await makeNastyTree(dir.at("src"));
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const local = await pullFromDaemon({
      ...ARCHIVE,
      port: daemon.port,
      destination: dir.at("dest"),
    });
    for (const incRecursive of [true, false]) {
      const store = Object.assign(new MemoryStore(), { concurrency: incRecursive ? 16 : 1 });
      const options = { ...ARCHIVE, port: daemon.port, destination: store, incRecursive };
      const { summary, lines } = await pullFromDaemon(options);
      const { exitCode, listed, created, transferredFiles, literalBytes } = local.summary;
      expect(summary).toMatchObject({ exitCode, listed, created, transferredFiles, literalBytes });
      expect([...lines].toSorted()).toEqual([...local.lines].toSorted());
      expect(differences(store, dir.at("src"))).toEqual([]);
      store.calls.length = 0;
      const second = await pullFromDaemon(options);
      expect(second).toMatchObject({ lines: [], summary: { exitCode: 0, transferredFiles: 0 } });
      expect(store.calls).toEqual([]);
    }
  });

  it.each([
    { protocol: 32, compress: false },
    { protocol: 29, compress: true },
  ])(
    "has no more sent of changes than a local tree, and the same deleted ($protocol, $compress)",
    async (more) => {
      await using dir = tempDir();
      mkdirSync(dir.at("src"));
      const tree = makeLargeTree(dir.at("src"), { files: 400, folders: 20 });
      await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
      const options = { ...ARCHIVE, ...more, port: daemon.port, delete: true, numericIds: true };
      const store = Object.assign(new MemoryStore(), { concurrency: 4 });
      await pullFromDaemon({ ...options, destination: store });
      await pullFromDaemon({ ...options, destination: dir.at("dest") });
      changeTree(dir.at("src"), tree);
      const { summary, lines, deleted } = await pullFromDaemon({ ...options, destination: store });
      const local = await pullFromDaemon({ ...options, destination: dir.at("dest") });
      const { matchedBytes, literalBytes, transferredFiles, created } = local.summary;
      expect(matchedBytes).toBeGreaterThan(literalBytes);
      expect(summary).toMatchObject({
        exitCode: 0,
        matchedBytes,
        literalBytes,
        transferredFiles,
        created,
        deleted: local.summary.deleted,
      });
      expect([...lines].toSorted()).toEqual([...local.lines].toSorted());
      expect([...deleted].toSorted()).toEqual([...local.deleted].toSorted());
      const unitNs = more.protocol < 31 ? 1_000_000_000n : 1n;
      expect(differences(store, dir.at("src"), unitNs)).toEqual([]);
      expect(store.open).toBe(0);
    },
  );

  it("writes an archive that tar unpacks to the same tree", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    mkdirSync(dir.at("unpacked"));
    makeLargeTree(dir.at("src"), { files: 300, folders: 20 });
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const destination = new TarDestination();
    const [{ summary }] = await Promise.all([
      pullFromDaemon({ ...ARCHIVE, port: daemon.port, destination }),
      pipeline(destination.archive, createWriteStream(dir.at("archive.tar"))),
    ]);
    expect(summary).toMatchObject({ exitCode: 0, problems: [] });
    await runOk("tar", [
      "--delay-directory-restore",
      "-xpf",
      dir.at("archive.tar"),
      "-C",
      dir.at("unpacked"),
    ]);
    await assertEqualTrees(dir.at("src"), dir.at("unpacked"));
  });

  it("commits nothing of a file that the connection was cut in", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    makeLargeTree(dir.at("src"), { files: 10, folders: 2 });
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const plan = { direction: "to-client", afterBytes: 500_000, action: "cut" } as const;
    await using proxy = await startCutProxy({ port: daemon.port }, plan);
    const store = new MemoryStore();
    const stream = await dial(proxy.port);
    const source = { kind: "daemon", module: "src", paths: [""] } as const;
    const pulling = pull({ ...ARCHIVE, stream, source, destination: store });
    await expect(pulling).rejects.toMatchObject({ code: "ERR_RSYNC_CONNECTION_LOST" });
    stream.destroy();
    expect(store.error).toMatchObject({ exitCode: 12 });
    expect(store.calls.filter((call) => call.startsWith("abort"))).toHaveLength(1);
    expect(differences(store, dir.at("src"))).toEqual([]);
    expect([store.summary, store.open]).toEqual([undefined, 0]);
  });
});
