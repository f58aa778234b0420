import {
  linkSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { compareHardLinkLines } from "./support/hard-link-lines.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { runOk } from "./support/processes.ts";
import { seededRandom } from "./support/random.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";

/** Groups of hard links before and after: which content, and under which names. With a `+` it was changed since. */
const CASES: readonly (readonly [before: readonly string[], after: readonly string[]])[] = [
  [["1 d/m d/n"], ["1 d/a d/m d/n"]],
  [["2 d/m d/n"], ["2 d/m d/n d/z"]],
  [["3 d/m d/n"], ["3 a d/m d/n"]],
  [["4 e/m"], ["4 d/a e/m"]],
  [["5 d/a d/m d/z"], ["5 d/m d/z"]],
  [["6 d/a e/m"], ["6 d/c e/m"]],
  [["7 d/a d/b", "8 e/m e/n"], ["8 d/a d/b e/m e/n"]],
  [["9 d/a d/b", "10 e/m e/n"], ["9 d/a d/b e/m e/n"]],
  [["11 d/a d/b e/c e/d"], ["11 d/a d/b", "11+ e/c e/d"]],
  [["12 d/m d/n"], ["12+ d/a d/m d/n"]],
  [["13 e/m e/n"], ["13+ d/a e/m e/n"]],
];

function makeGroup(root: string, group: string): void {
  const [content = "", ...names] = group.split(" ");
  const bytes = Buffer.from(seededRandom(content.replace("+", "")).bytes(50_000));
  const isChanged = content.endsWith("+");
  if (isChanged) bytes.write("changed", 20_000);
  const [first = "", ...others] = names.map((name) => `${root}/${name}`);
  for (const path of [first, ...others]) mkdirSync(dirname(path), { recursive: true });
  writeFileSync(first, bytes);
  utimesSync(first, 0, isChanged ? 1_600_000_000 : 1_500_000_000);
  for (const path of others) linkSync(first, path);
}

describeWithPeers(["rsync"], "groups of hard links that gain and lose names", () => {
  const rsync = requirePeer("rsync");

  test.each(["--no-inc-recursive", "--inc-recursive"])(
    "bring no more content than with the real client: %s",
    async (recursion) => {
      await using dir = tempDir();
      await using daemon = await startRealRsyncd({
        modules: { m: { path: dir.at("src"), settings: { "use chroot": "no" } } },
      });
      const fill = (which: 0 | 1): void => {
        rmSync(dir.at("src"), { recursive: true, force: true });
        for (const [number, one] of CASES.entries()) {
          for (const group of one[which]) makeGroup(dir.at("src", `case-${number}`), group);
        }
        // Times of directories that rsync takes for equal where they are not would tell nothing here.
        for (const name of readdirSync(dir.at("src"), { recursive: true, encoding: "utf8" })) {
          const path = dir.at("src", name);
          if (statSync(path).isDirectory()) utimesSync(path, 0, 1_400_000_000 + which * 1000);
        }
        utimesSync(dir.at("src"), 0, 0);
      };
      const literal = (text: string): number =>
        Number(/Literal data: ([\d,]+)/.exec(text)?.[1]?.replaceAll(",", ""));
      fill(0);
      const args = ["-aH", "--delete", "--stats", recursion, daemon.url("m")];
      for (const to of ["ours", "real"]) await runOk(rsync, [...args, dir.at(to, "/")]);
      fill(1);
      const ours = await callDialhome(["rsync", ...args, dir.at("ours/")]);
      const real = await runOk(rsync, [...args, dir.at("real/")]);
      expect([ours.code, ours.stderr]).toEqual([0, ""]);
      await assertEqualTrees(dir.at("real"), dir.at("ours"));
      const most = literal(real) * 1.02;
      expect(literal(ours.stdout)).toBeLessThanOrEqual(most);
      // Three that were changed, in one block each.
      expect(literal(ours.stdout)).toBe(3 * 700);
    },
  );

  // When links are told that wait for their file's content is a race, in rsync too: a machine that is busy may lose it.
  test.each(["b", "c"])(
    "are told line by line as by the real client: %s",
    { retry: 2 },
    async (seed) => {
      const options = ["-aHi", "-aHni", "-rlHi", "-aHvv", "-aHui", "-aHii --link-dest=../ref"];
      options.push(
        "-aHi --copy-dest=../ref",
        "-aHivv --copy-dest=../ref",
        "-aHni --link-dest=../ref",
      );
      expect((await compareHardLinkLines(seed, options)).join("\n")).toBe("");
    },
  );
});
