import { join } from "node:path";
import { afterAll, beforeAll, expect, it } from "vitest";
import { treeDifferences } from "./support/compare-trees.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import {
  makePlacementDestination,
  makePlacementSource,
  NEW,
  put,
} from "./support/placement-trees.ts";
import { run } from "./support/processes.ts";
import { type RealRsyncd, startRealRsyncd } from "./support/real-rsyncd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

const CASES: readonly (readonly string[])[] = [
  ["-a"],
  ["-aHc", "--delay-updates"],
  ["-au", "--max-size=1k", "--no-inc-recursive"],
  ["-a", "--protocol=29", "--ignore-existing"],
  ["-rt", "--existing", "--protocol=30"],
  ["-aHn"],
  ["-aH", "--link-dest=../older"],
  ["-a", "--compare-dest=../older"],
];

/** A source for each side, since it is emptied; and what is here before. */
function prepare(root: string): void {
  makePlacementSource(join(root, "src"));
  makePlacementDestination(join(root, "dest"));
  makePlacementSource(join(root, "older"));
  put(join(root, "dest"), "shrunk", "newer here", NEW + 1);
}

describeWithPeers(["rsync"], "--remove-source-files, as the real rsync does it", () => {
  let dir: TempDir;
  let daemon: RealRsyncd;

  beforeAll(async () => {
    dir = tempDir();
    daemon = await startRealRsyncd({
      modules: {
        real: { path: dir.path, settings: { "read only": "no" } },
        locked: { path: dir.path },
      },
    });
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await dir[Symbol.asyncDispose]();
  });

  const cases = CASES.map((args, index) => ({ args, index, title: args.join(" ") }));

  it.concurrent.each(cases)("$title", async ({ args, index }) => {
    const names = { real: `real-${index}`, ours: `ours-${index}` };
    for (const name of Object.values(names)) prepare(dir.at(name));
    const lineFor = (name: string): string[] => [
      ...args,
      "--remove-source-files",
      daemon.url("real", `${name}/src/`),
      "dest/",
    ];
    const [real, ours] = await Promise.all([
      run(requirePeer("rsync"), lineFor(names.real), { cwd: dir.at(names.real) }),
      callDialhome(["rsync", ...lineFor(names.ours)], { cwd: dir.at(names.ours) }),
    ]);
    expect(ours.code, `${real.stderr}${ours.stderr}`).toBe(real.code);
    const compare = { times: "not-of-folders" } as const;
    expect(treeDifferences(dir.at(names.real), dir.at(names.ours), compare)).toEqual([]);
  });

  it("a daemon that may not remove anything refuses", async () => {
    prepare(dir.at("locked"));
    const line = ["-a", "--remove-source-files", daemon.url("locked", "locked/src/"), "dest"];
    const ours = await callDialhome(["rsync", ...line], { cwd: dir.at("locked") });
    expect([ours.code, ours.stderr]).toEqual([1, expect.stringMatching(/read-only module/)]);
  });
});
