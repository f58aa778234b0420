import { mkdirSync, readdirSync, utimesSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run } from "./support/processes.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";

/** Three sources with directories of equal names, and a file that each of them has. */
function makeSources(root: string): void {
  const files = ["1/k/x", "1/k/m/1", "2/k/m/2", "2/k/x", "2/k/n/n", "3/k", "3/p/q/r", "3/p/s"];
  for (const name of files) {
    const path = `${root}/${name}`;
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, `content of ${name}`);
  }
  for (let n = 0; n < 5; n++) {
    mkdirSync(`${root}/1/many/${n}`, { recursive: true });
    for (let f = 0; f < 30; f++) writeFileSync(`${root}/1/many/${n}/${f}`, "");
  }
  // Long ago: rsync takes times within one second for equal.
  for (const name of readdirSync(root, { recursive: true, encoding: "utf8" })) {
    utimesSync(`${root}/${name}`, 1_600_000_000, 1_600_000_000);
  }
}

describeWithPeers(["rsync"], "several sources, a directory at a time", () => {
  const rsync = requirePeer("rsync");

  test.each(["32", "31", "30"])("the real client gets the same: protocol %s", async (protocol) => {
    await using dir = tempDir();
    makeSources(dir.at("src"));
    const firstLists: unknown[] = [];
    await using ours = await startOurRsyncd({
      modules: [{ name: "m", path: dir.at("src") }],
      log: (_, event, fields) => {
        if (event === "first-list") firstLists.push(fields["entries"]);
      },
    });
    await using real = await startRealRsyncd({
      modules: { m: { path: dir.at("src"), settings: { "use chroot": "no" } } },
    });
    const pulls = [
      ["-a", "1/", "2/", "3/"],
      ["-a", "2/k", "1/k", "1/many", "3/p"],
      ["-aR", "1/./k", "2/./k/m", "3/./p/q/r", "2/k/n", "2/k/x"],
      ["-aR", "1", "1/k", "1/k/m", "3/p/q"],
    ] as const;
    for (const [number, [options, ...paths]] of pulls.entries()) {
      for (const [name, daemon] of Object.entries({ ours, real })) {
        const to = `${name}/${number}`;
        mkdirSync(dir.at(to, options === "-a" ? "k/old" : "."), { recursive: true });
        const args = ["--delete", `--protocol=${protocol}`, options];
        const sources = paths.map((path) => daemon.url("m", path));
        const { code, stderr } = await run(rsync, [...args, ...sources, dir.at(to, "/")]);
        expect([paths, code, stderr]).toEqual([paths, 0, ""]);
        for (const folder of [to, name]) utimesSync(dir.at(folder), 0, 0);
      }
    }
    await assertEqualTrees(dir.at("real"), dir.at("ours"), {
      times: protocol === "30" ? "none" : "all",
    });
    // What is below was not looked for before it was its turn.
    expect(firstLists).toEqual([expect.any(Number), 4, expect.any(Number), expect.any(Number)]);
    for (const entries of firstLists) expect(entries).toBeLessThan(20);
  });
});
