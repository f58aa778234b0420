import { mkdirSync } from "node:fs";
import { expect, it } from "vitest";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { runOk } from "./support/processes.ts";
import { ARCHIVE, pullFromDaemon } from "./support/pull-real.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeLargeTree, makeNastyTree } from "./support/tree.ts";
import { changeTree } from "./support/tree-changes.ts";

/** "Literal data: 1,234 bytes" of `rsync --stats`. */
function literalBytes(stats: string): number {
  const found = /Literal data: ([\d,]+) bytes/.exec(stats)?.[1];
  if (found === undefined) throw new Error(`no statistics in ${stats}`);
  return Number(found.replaceAll(",", ""));
}

describeWithPeers(["rsync"], "rsync client against the real rsync --daemon", () => {
  for (const protocol of [30, 31, 32]) {
    for (const incRecursive of [true, false]) {
      const recursion = incRecursive ? "incremental recursion" : "one list";
      // Protocol 30 has whole seconds; the real rsync compares those.
      const compare = { times: protocol === 30 ? "none" : "all" } as const;

      it(`protocol ${protocol}, ${recursion}: a nasty tree, then nothing more to do`, async () => {
        await using dir = tempDir();
        mkdirSync(dir.at("src"));
        await makeNastyTree(dir.at("src"));
        await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
        const options = {
          ...ARCHIVE,
          port: daemon.port,
          destination: dir.at("dest"),
          numericIds: true,
          protocol,
          incRecursive,
        };
        const first = await pullFromDaemon(options);
        expect(first.summary).toMatchObject({ exitCode: 0, protocol, problems: [] });
        await assertEqualTrees(dir.at("src"), dir.at("dest"), compare);
        const second = await pullFromDaemon(options);
        expect(second.summary).toMatchObject({ exitCode: 0, transferredFiles: 0 });
        expect(second.lines).toEqual([]);
      });

      it(`protocol ${protocol}, ${recursion}: changes, with no more literal data than rsync sends`, async () => {
        await using dir = tempDir();
        mkdirSync(dir.at("src"));
        const tree = makeLargeTree(dir.at("src"), { files: 1_500, folders: 30 });
        await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
        const options = {
          ...ARCHIVE,
          port: daemon.port,
          destination: dir.at("dest"),
          protocol,
          incRecursive,
          delete: true,
        };
        const first = await pullFromDaemon(options);
        expect(first.summary).toMatchObject({ exitCode: 0, matchedBytes: 0 });
        await assertEqualTrees(dir.at("src"), dir.at("dest"), compare);
        await runOk("cp", ["-a", dir.at("dest"), dir.at("real")]);

        changeTree(dir.at("src"), tree);
        const second = await pullFromDaemon(options);
        expect(second.summary.exitCode).toBe(0);
        await assertEqualTrees(dir.at("src"), dir.at("dest"), compare);
        const stats = await runOk(requirePeer("rsync"), [
          "-aHD",
          "--delete",
          "--stats",
          `--protocol=${protocol}`,
          ...(incRecursive ? [] : ["--no-inc-recursive"]),
          daemon.url("src"),
          `${dir.at("real")}/`,
        ]);
        const real = literalBytes(stats);
        expect(real).toBeGreaterThan(0);
        expect(second.summary.literalBytes).toBeLessThanOrEqual(real * 1.02);
        expect(second.summary.matchedBytes).toBeGreaterThan(real);
      });
    }
  }
});
