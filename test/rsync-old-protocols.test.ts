import { mkdirSync, readdirSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { expect, it } from "vitest";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk } from "./support/processes.ts";
import { ARCHIVE, pullFromDaemon } from "./support/pull-real.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeLargeTree, makeNastyTree } from "./support/tree.ts";
import { ageDirectories, changeTree } from "./support/tree-changes.ts";

// What rsync 2.6 spoke: no frames from the client, MD4, 32-bit numbers, no word of files that do not come. The real rsync still
// speaks it when it is told to. By hand, the same was done with rsync 2.6.3, 2.6.9, 3.0.9 and 3.1.3 on the other side.

/** Times are whole seconds, from 1970 to 2106. */
const UNTOLD_TIMES = ["times/before", "times/beyond-32-bits"];
const SECONDS = { times: "none" } as const;

/** A number of `--stats`. */
function statistic(output: string, name: string): number {
  const match = new RegExp(`^${name}: ([\\d,]+)`, "m").exec(output);
  if (match?.[1] === undefined) throw new Error(`no "${name}" in:\n${output}`);
  return Number(match[1].replaceAll(",", ""));
}

/** A tree with everything in it. @returns what changes it */
async function makeTree(root: string): Promise<() => void> {
  mkdirSync(root);
  await makeNastyTree(root);
  for (const name of UNTOLD_TIMES) rmSync(`${root}/${name}`);
  // Directories and files whose order is another one below protocol 29.
  for (const name of ["order", "order/d", "order/d.x", "order/d-x"]) mkdirSync(`${root}/${name}`);
  for (const name of ["d/e", "d.x/e", "d-x/e", "d!", "e"])
    writeFileSync(`${root}/order/${name}`, name);
  mkdirSync(`${root}/large`);
  const tree = makeLargeTree(`${root}/large`, { files: 300, folders: 12 });
  return () => {
    changeTree(`${root}/large`, tree);
    rmSync(`${root}/order/d`, { recursive: true });
    writeFileSync(`${root}/order/d`, "was a folder");
    rmSync(`${root}/links/deep/second`);
    ageDirectories(root);
  };
}

describeWithPeers(["rsync"], "protocols 27, 28 and 29", () => {
  const rsync = requirePeer("rsync");

  it.each([29, 28, 27])("our client pulls from the real daemon: protocol %d", async (protocol) => {
    await using dir = tempDir();
    const change = await makeTree(dir.at("src"));
    await using daemon = await startRealRsyncd({
      modules: { src: { path: dir.at("src") } },
      users: { alice: "sesame" },
    });
    const options = {
      ...ARCHIVE,
      port: daemon.port,
      user: "alice",
      password: "sesame",
      destination: dir.at("dest"),
      protocol,
      delete: true,
    } as const;
    const first = await pullFromDaemon({ ...options, numericIds: true });
    expect(first.summary).toMatchObject({ exitCode: 0, protocol, checksum: "md4", problems: [] });
    await assertEqualTrees(dir.at("src"), dir.at("dest"), SECONDS);
    const second = await pullFromDaemon({ ...options, checksum: true });
    expect(second.summary).toMatchObject({
      exitCode: 0,
      transferredFiles: 0,
      listed: first.summary.listed,
    });
    expect(second.lines).toEqual([]);

    await runOk("cp", ["-a", dir.at("dest"), dir.at("real")]);
    change();
    const dry = await pullFromDaemon({ ...options, dryRun: true });
    const third = await pullFromDaemon({ ...options, filterRules: ["- links/pair"] });
    expect(third.summary).toMatchObject({ exitCode: 0, problems: [] });
    // The excluded ones are there from before, and protected.
    await assertEqualTrees(dir.at("src"), dir.at("dest"), SECONDS);
    expect(dry.lines.toSorted()).toEqual(third.lines.toSorted());
    expect(dry.deleted.toSorted()).toEqual(third.deleted.toSorted());
    const way = ["-aHD", "--delete", `--protocol=${protocol}`, "--stats", "--exclude=links/pair"];
    const stats = await runOk(rsync, [...way, daemon.url("src", "", "alice"), dir.at("real/")], {
      env: { RSYNC_PASSWORD: "sesame" },
    });
    expect(third.summary.transferredFiles).toBe(
      statistic(stats, "Number of regular files transferred"),
    );
    expect(third.summary.literalBytes).toBe(statistic(stats, "Literal data"));
    expect(third.summary.matchedBytes).toBe(statistic(stats, "Matched data"));
    expect(third.summary.totalBytes).toBe(statistic(stats, "Total file size"));
  });

  it.each([29, 28, 27])("the real client pulls from our daemon: protocol %d", async (protocol) => {
    await using dir = tempDir();
    const change = await makeTree(dir.at("src"));
    await using daemon = await startOurRsyncd({
      modules: [{ name: "src", path: dir.at("src"), authUsers: () => "sesame" }],
    });
    await using real = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const way = ["-aHD", `--protocol=${protocol}`, "--delete", "--stats", "-i"];
    const from = daemon.url("src", "", "alice");
    const env = { RSYNC_PASSWORD: "sesame" };
    await runOk(rsync, [...way, from, dir.at("ours/")], { env });
    await assertEqualTrees(dir.at("src"), dir.at("ours"), SECONDS);
    const again = await runOk(rsync, [...way, "-c", "--numeric-ids", from, dir.at("ours/")], {
      env,
    });
    expect(statistic(again, "Number of regular files transferred")).toBe(0);

    await runOk("cp", ["-a", dir.at("ours"), dir.at("theirs")]);
    change();
    const dry = await runOk(rsync, [...way, "-n", from, dir.at("ours/")], { env });
    const ours = await runOk(rsync, [...way, "--exclude=links/pair", from, dir.at("ours/")], {
      env,
    });
    const theirs = await runOk(rsync, [
      ...way,
      "--exclude=links/pair",
      real.url("src"),
      dir.at("theirs/"),
    ]);
    await assertEqualTrees(dir.at("src"), dir.at("ours"), SECONDS);
    // Lines and numbers, but for what depends on the moment (deletes come first and change times) and on the bytes of messages.
    const comparable = (output: string): string[] =>
      output
        .split("\n")
        .filter(
          (line) => !/bytes (sent|received)|sent .* bytes|speedup|File list|^\.d\.\.t/.test(line),
        )
        .toSorted();
    expect(comparable(ours)).toEqual(comparable(theirs));
    expect(statistic(dry, "Number of regular files transferred")).toBe(
      statistic(ours, "Number of regular files transferred"),
    );
    expect((await daemon.ended(4)).map(({ exitCode }) => exitCode)).toEqual([0, 0, 0, 0]);
  });

  it("--append goes over what is there, as --append-verify: protocol 29", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    const whole = Buffer.alloc(300_000, "0123456789abcdef!");
    for (const name of ["grown", "other"]) writeFileSync(dir.at("src", name), whole);
    for (const folder of ["ours", "theirs"]) {
      mkdirSync(dir.at(folder));
      writeFileSync(dir.at(folder, "grown"), whole.subarray(0, 200_000));
      // What is there is not what was sent: a second attempt replaces it.
      writeFileSync(dir.at(folder, "other"), Buffer.alloc(100_000, "x"));
    }
    await using real = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    const { summary } = await pullFromDaemon({
      ...ARCHIVE,
      port: real.port,
      destination: dir.at("ours"),
      protocol: 29,
      append: true,
    });
    expect(summary).toMatchObject({ exitCode: 0, problems: [] });
    await assertEqualTrees(dir.at("src"), dir.at("ours"), SECONDS);
    const way = ["-a", "--append", "--stats", "--protocol=29"];
    const stats = await runOk(rsync, [...way, daemon.url("m"), dir.at("theirs/")]);
    await assertEqualTrees(dir.at("src"), dir.at("theirs"), SECONDS);
    expect(summary.literalBytes).toBe(statistic(stats, "Literal data"));
  });

  it.each([29, 28])(
    "a file that does not come leaves the others: protocol %d",
    async (protocol) => {
      await using dir = tempDir();
      mkdirSync(dir.at("src"));
      const fill = (): void => {
        for (const name of ["a", "b", "c", "d"]) writeFileSync(dir.at("src", name), name);
      };
      fill();
      await using real = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
      const options = { ...ARCHIVE, port: real.port, protocol };
      for (const gone of ["b", "d"]) {
        fill();
        const { summary, messages } = await pullFromDaemon({
          ...options,
          destination: dir.at(`without-${gone}`),
          // It was listed by then, and nothing was asked for yet.
          onEntry: ({ entry }) => {
            if (entry.name === ".") rmSync(dir.at("src", gone));
          },
        });
        expect(summary.exitCode).toBe(24);
        expect(messages.map(({ text }) => text).join()).toMatch(new RegExp(`vanished.*${gone}`));
        const others = ["a", "b", "c", "d"].filter((name) => name !== gone);
        expect(readdirSync(dir.at(`without-${gone}`)).toSorted()).toEqual(others);
      }
      fill();
      await using daemon = await startOurRsyncd({
        modules: [{ name: "m", path: dir.at("src") }],
        log: (_level, event) => {
          if (event !== "first-list") return;
          rmSync(dir.at("src/b"));
          rmSync(dir.at("src/d"));
          symlinkSync("/etc/passwd", dir.at("src/d"));
        },
      });
      const args = ["-a", `--protocol=${protocol}`, daemon.url("m"), dir.at("out/")];
      const { code, stderr, stdout } = await run(rsync, args);
      expect(stdout + stderr).toContain('file has vanished: "/b" (in m)');
      expect(stderr).toContain("send_files failed to open");
      expect(code).toBe(23);
      expect(readdirSync(dir.at("out")).toSorted()).toEqual(["a", "c"]);
    },
  );

  it("names of --files-from go beside the frames: protocol 30", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src/d"), { recursive: true });
    for (const name of ["a", "d/b", "c"]) writeFileSync(dir.at("src", name), name);
    await using daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const { summary } = await pullFromDaemon({
      ...ARCHIVE,
      recursive: false,
      relative: true,
      filesFrom: { names: ["a", "d/b"] },
      port: daemon.port,
      destination: dir.at("dest"),
      protocol: 30,
    });
    expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 2 });
    expect(readdirSync(dir.at("dest")).toSorted()).toEqual(["a", "d"]);
  });
});
