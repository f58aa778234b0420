import { mkdirSync, readFileSync, utimesSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { callDialhome } from "./support/dialhome-main.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run } from "./support/processes.ts";
import { seededRandom } from "./support/random.ts";
import { tempDir } from "./support/temp-dir.ts";

/** More than what the client reads of its basis at a time: 256 KiB. */
const SIZE = 4_000_000;

describeWithPeers(["rsync"], "a client that writes over its basis", () => {
  /** The second half first: each block is elsewhere than in the source. */
  const content = seededRandom("deltas").bytes(SIZE);
  const swapped = Buffer.concat([content.subarray(SIZE / 2), content.subarray(0, SIZE / 2)]);

  // What was written already is no longer there to be referred to. Before, blocks that were gone came for the last two: the client
  // found the sum to be wrong, asked again, and gave up in the end.
  it.each([
    { args: ["--inplace", "-I"], basis: "file" },
    { args: ["--append-verify"], basis: "file", cut: SIZE - 1 },
    { args: ["--partial-dir=.part"], basis: ".part/file" },
    { args: ["--partial-dir=.part", "--delay-updates"], basis: ".part/file" },
  ])("gets right content with $args", async ({ args, basis, cut = SIZE }) => {
    for (const client of ["real", "ours"]) {
      await using dir = tempDir();
      for (const name of ["src", "dest/.part"]) mkdirSync(dir.at(name), { recursive: true });
      writeFileSync(dir.at("src/file"), content);
      utimesSync(dir.at("src/file"), 1_600_000_000, 1_600_000_000);
      writeFileSync(dir.at("dest", basis), swapped.subarray(0, cut));
      await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
      const line = [
        "-t",
        "--no-whole-file",
        ...args,
        daemon.url("m", "file"),
        `${dir.at("dest")}/`,
      ];
      const { code, stderr } =
        client === "real"
          ? await run(requirePeer("rsync"), line)
          : await callDialhome(["rsync", ...line], { cwd: dir.path, env: {} });
      // What was appended to something else is wrong at first.
      const said = stderr.replace("asking once more", basis === "file" ? "" : "$&");
      expect({ client, code, said }).toEqual({
        client,
        code: 0,
        said: expect.not.stringContaining("more"),
      });
      expect(readFileSync(dir.at("dest/file")).equals(content)).toBe(true);
    }
  });

  it("may refer to all of a backup", async () => {
    await using dir = tempDir();
    for (const name of ["src", "dest"]) mkdirSync(dir.at(name));
    writeFileSync(dir.at("src/file"), content);
    writeFileSync(dir.at("dest/file"), swapped);
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    const args = ["-I", "--inplace", "--backup", "--no-whole-file", "--stats"];
    const line = [...args, daemon.url("m", "file"), `${dir.at("dest")}/`];
    const { code, stdout } = await run(requirePeer("rsync"), line, { env: { LC_ALL: "C" } });
    expect(code).toBe(0);
    expect(readFileSync(dir.at("dest/file")).equals(content)).toBe(true);
    // But for the block in which the halves meet.
    expect(Number(/Literal data: ([\d,]+)/.exec(stdout)?.[1]?.replaceAll(",", ""))).toBeLessThan(
      10_000,
    );
  });
});
