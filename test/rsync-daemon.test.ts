import {
  cpSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { expect, test } from "vitest";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { LIST_WAYS } from "./support/list-ways.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk } from "./support/processes.ts";
import { seededRandom } from "./support/random.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";
import { makeLargeTree, makeNastyTree } from "./support/tree.ts";
import { changeTree } from "./support/tree-changes.ts";

/** A number of rsync's `--stats`. */
function statistic(output: string, name: string): number {
  const match = new RegExp(`^${name}: ([\\d,]+)`, "m").exec(output);
  if (match?.[1] === undefined) throw new Error(`no "${name}" in:\n${output}`);
  return Number(match[1].replaceAll(",", ""));
}

/** Protocol 30 knows whole seconds only. */
const timesOf = (way: string): "all" | "none" => (way.includes("--protocol=30") ? "none" : "all");

describeWithPeers(["rsync"], "the real rsync pulls from our daemon", () => {
  const rsync = requirePeer("rsync");

  test.each(LIST_WAYS)("every kind of file arrives as it is: %s", async (way) => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    await makeNastyTree(dir.at("src"));
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    const args = ["-aHD", "--numeric-ids", ...way.split(" "), daemon.url("m"), dir.at("out/")];
    await runOk(rsync, args);
    await assertEqualTrees(dir.at("src"), dir.at("out"), { times: timesOf(way) });
    // Once more: nothing is left to do.
    expect(await runOk(rsync, ["-i", ...args])).toBe("");
    expect((await daemon.ended(2)).map((result) => result.exitCode)).toEqual([0, 0]);
  });

  test.each(LIST_WAYS)(
    "a second run after changes gives equal trees and no more literal data than the real daemon: %s",
    async (way) => {
      await using dir = tempDir();
      mkdirSync(dir.at("src"));
      const tree = makeLargeTree(dir.at("src"), { files: 300, folders: 30 });
      await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
      await using real = await startRealRsyncd({ modules: { m: { path: dir.at("src") } } });
      const options = ["-aH", "--delete", "--stats", ...way.split(" ")];
      await runOk(rsync, [...options, daemon.url("m"), dir.at("ours/")]);
      await assertEqualTrees(dir.at("src"), dir.at("ours"), { times: "none" });
      cpSync(dir.at("ours"), dir.at("theirs"), { recursive: true, preserveTimestamps: true });
      await runOk(rsync, [...options, real.url("m"), dir.at("theirs/")]);

      changeTree(dir.at("src"), tree);
      const ours = await runOk(rsync, [...options, daemon.url("m"), dir.at("ours/")]);
      await assertEqualTrees(dir.at("src"), dir.at("ours"), { times: "none" });
      const theirs = await runOk(rsync, [...options, real.url("m"), dir.at("theirs/")]);
      for (const name of ["Literal data", "Matched data"]) {
        expect(statistic(ours, name)).toBeLessThanOrEqual(statistic(theirs, name) * 1.02);
        expect(statistic(ours, name)).toBeGreaterThanOrEqual(statistic(theirs, name) * 0.98);
      }
      for (const name of ["Number of files", "Total file size", "Total transferred file size"]) {
        expect(statistic(ours, name)).toBe(statistic(theirs, name));
      }
    },
  );

  test("names of users and groups are told, unless the module says not to", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    writeFileSync(dir.at("src/file"), "");
    await using daemon = await startOurRsyncd({
      modules: [
        { name: "names", path: dir.at("src") },
        { name: "numbers", path: dir.at("src"), numericIds: true },
      ],
    });
    for (const way of LIST_WAYS) {
      for (const module of ["names", "numbers"]) {
        const args = ["-a", ...way.split(" "), daemon.url(module), dir.at(`${module}/`)];
        await runOk(rsync, args);
        await expect(
          assertEqualTrees(dir.at("src"), dir.at(module), { times: "none" }),
        ).resolves.toBeUndefined();
        rmSync(dir.at(module), { recursive: true });
      }
    }
  });

  test("thousands of files in many folders, ten thousand in one, and a chain of folders", async () => {
    await using dir = tempDir();
    for (let d = 0; d < 150; d++) {
      mkdirSync(dir.at(`src/d${d % 30}/e${d}`), { recursive: true });
      for (let f = 0; f < 20; f++) writeFileSync(dir.at(`src/d${d % 30}/e${d}/f${f}`), `${d} ${f}`);
    }
    mkdirSync(dir.at("src/many"));
    for (let f = 0; f < 10_000; f++) writeFileSync(dir.at(`src/many/${f}`), "");
    mkdirSync(dir.at(`src/${"deep/".repeat(100)}`), { recursive: true });
    writeFileSync(dir.at(`src/${"deep/".repeat(100)}end`), "here");
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    // Each into a folder of its own: ext4 is very slow at giving out inodes that were deleted just now.
    for (const way of ["--inc-recursive", "--no-inc-recursive"]) {
      await runOk(rsync, ["-a", way, daemon.url("m"), dir.at(`${way}/`)]);
      await expect(
        assertEqualTrees(dir.at("src"), dir.at(way), { times: "none" }),
      ).resolves.toBeUndefined();
    }
  }, 180_000);

  test("one file, one folder, several sources, a wildcard", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src/a/b"), { recursive: true });
    mkdirSync(dir.at("src/c"));
    for (const name of ["one", "a/two", "a/b/three", "c/four", "we ird*", "weird"]) {
      writeFileSync(dir.at("src", name), name);
    }
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    const pull = async (...paths: string[]): Promise<string[]> => {
      const sources = paths.map((path) => daemon.url("m", path));
      await runOk(rsync, ["-a", ...sources, dir.at("out/")]);
      const names = readdirSync(dir.at("out"), { recursive: true, encoding: "utf8" });
      rmSync(dir.at("out"), { recursive: true });
      return names.toSorted();
    };
    expect(await pull("one")).toEqual(["one"]);
    expect(await pull("a")).toEqual(["a", "a/b", "a/b/three", "a/two"]);
    expect(await pull("a/")).toEqual(["b", "b/three", "two"]);
    expect(await pull("a/b/../../one")).toEqual(["one"]);
    expect(await pull("a/", "c/", "one")).toEqual(["b", "b/three", "four", "one", "two"]);
    expect(await pull("*")).toEqual([
      "a",
      "a/b",
      "a/b/three",
      "a/two",
      "c",
      "c/four",
      "one",
      "we ird*",
      "weird",
    ]);
    expect(await pull("[ac]/*")).toEqual(["b", "b/three", "four", "two"]);
    expect(await pull("we?ird\\*")).toEqual(["we ird*"]);
  });

  test("a dry run, a listing, a listing of the modules", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src/sub"), { recursive: true });
    writeFileSync(dir.at("src/file"), "content");
    await using daemon = await startOurRsyncd({
      motd: "good morning",
      modules: [
        { name: "shown", path: dir.at("src"), comment: "what it is" },
        { name: "hidden", path: dir.at("src"), list: false },
      ],
    });
    const dry = await runOk(rsync, ["-ain", daemon.url("shown"), dir.at("out/")]);
    expect(dry).toContain(">f+++++++++ file");
    expect(readdirSync(dir.path)).toEqual(["src"]);
    const list = await runOk(rsync, ["--list-only", daemon.url("shown")]);
    expect(list).toMatch(/ 7 .* file$/m);
    expect(list).toMatch(/^d.* sub$/m);
    const modules = await runOk(rsync, [`rsync://127.0.0.1:${daemon.port}/`]);
    expect(modules).toBe("good morning\n\nshown          \twhat it is\n");
  });

  test("-c compares sums: an equal size and time is no excuse", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    mkdirSync(dir.at("out"));
    writeFileSync(dir.at("src/changed"), "abc");
    writeFileSync(dir.at("src/same"), "same");
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    await runOk(rsync, ["-a", daemon.url("m"), dir.at("out/")]);
    writeFileSync(dir.at("out/changed"), "xyz");
    await runOk("touch", ["-r", dir.at("src/changed"), dir.at("out/changed")]);
    for (const way of LIST_WAYS) {
      const plain = await runOk(rsync, [
        "-ain",
        ...way.split(" "),
        daemon.url("m"),
        dir.at("out/"),
      ]);
      expect(plain).toBe("");
      const summed = await runOk(rsync, [
        "-acin",
        ...way.split(" "),
        daemon.url("m"),
        dir.at("out/"),
      ]);
      expect(summed).toBe(">fc........ changed\n");
    }
    for (const choice of ["xxh128", "xxh3", "xxh64", "md5", "sha1"]) {
      writeFileSync(dir.at("out/changed"), `other ${choice}`);
      const options = ["-ac", `--checksum-choice=${choice}`, "--checksum-seed=-5"];
      await runOk(rsync, [...options, daemon.url("m"), dir.at("out/")]);
      expect(readFileSync(dir.at("out/changed"), "utf8")).toBe("abc");
    }
  });

  test.skipIf(statSync("/dev").dev === statSync("/dev/shm").dev)(
    "file systems are not left with -x",
    async () => {
      const name = `dialhome-${process.pid}`;
      writeFileSync(`/dev/shm/${name}`, "");
      try {
        await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: "/dev" }] });
        const list = (options: string): Promise<string> =>
          runOk(rsync, [options, "--list-only", daemon.url("m")]);
        expect(await list("-r")).toMatch(new RegExp(` shm/${name}$`, "m"));
        const inside = await list("-rx");
        expect(inside).toMatch(/^d.* shm$/m);
        expect(inside).not.toContain(name);
        expect(await list("-rxx")).not.toMatch(/ shm$/m);
      } finally {
        rmSync(`/dev/shm/${name}`);
      }
    },
  );

  test("rules of the client, of the module and of files in the tree leave the same out as the real daemon", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src/a/b/c"), { recursive: true });
    mkdirSync(dir.at("src/keep/tmp"), { recursive: true });
    mkdirSync(dir.at("src/secret/inner"), { recursive: true });
    for (const folder of ["", "a/", "a/b/", "a/b/c/", "keep/", "keep/tmp/", "secret/"]) {
      for (const name of ["x.o", "y.txt", "z.log"])
        writeFileSync(dir.at(`src/${folder}${name}`), "");
    }
    writeFileSync(dir.at("src/a/.rules"), "- y.txt\n+ x.o\n");
    writeFileSync(dir.at("src/a/b/.rules"), "- c/\n");
    writeFileSync(dir.at("src/a/.cvsignore"), "y.* *~\n");
    writeFileSync(dir.at("src/a/old~"), "");
    const exclude = "/secret z.log";
    await using daemon = await startOurRsyncd({
      modules: [{ name: "m", path: dir.at("src"), exclude }],
    });
    await using real = await startRealRsyncd({
      modules: { m: { path: dir.at("src"), settings: { exclude } } },
    });
    const cases = [
      [],
      ["--exclude=*.o"],
      ["--exclude=/a/b", "--exclude=tmp/"],
      ["--include=*/", "--include=*.txt", "--exclude=*"],
      ["--filter=: .rules", "--exclude=*.o"],
      ["-FF", "--filter=dir-merge,n- .rules"],
      ["--exclude=x.o", "--delete-excluded", "--delete"],
      ["-C"],
      ["-C", "--include=x.o"],
    ];
    const everywhere = ["", "a", "keep/", "secret/", "secret/inner", "z.log"];
    for (const [index, rules] of cases.entries()) {
      for (const path of index < 2 ? everywhere : [""]) {
        const way = index % 2 === 0 ? "--inc-recursive" : "--no-inc-recursive";
        const list = async (url: string): Promise<unknown> => {
          const args = ["-r", way, "--out-format=%n", ...rules, url, dir.at("out/")];
          const { code, stdout } = await run(rsync, ["-n", ...args]);
          return { rules, path, code, names: stdout.split("\n").toSorted() };
        };
        expect(await list(daemon.url("m", path))).toEqual(await list(real.url("m", path)));
      }
    }
  });

  test("older clients get the lists, sums and checksums that they know", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src/d"), { recursive: true });
    const content = Buffer.from(Array.from({ length: 20_000 }, (_, i) => `line ${i}\n`).join(""));
    writeFileSync(dir.at("src/d/file"), content);
    writeFileSync(dir.at("src/empty"), "");
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    // The letters behind `e` of 3.0, 3.1, and later ones; the client takes what the server makes of them.
    for (const letters of [".Ls", ".iLsf", ".iLsfx", ".LsfxC", ".iLsfxCIv"]) {
      for (const protocol of [30, 31, 32]) {
        const args = ["-a", "--stats", `--protocol=${protocol}`, `-M-e${letters}`];
        await runOk(rsync, [...args, daemon.url("m"), dir.at("out/")]);
        await assertEqualTrees(dir.at("src"), dir.at("out"), { times: "none" });
        writeFileSync(dir.at("out/d/file"), Buffer.concat([content.subarray(5000), content]));
        const stats = await runOk(rsync, [...args, daemon.url("m"), dir.at("out/")]);
        expect(readFileSync(dir.at("out/d/file")).equals(content)).toBe(true);
        expect(statistic(stats, "Literal data")).toBeLessThan(2000);
        rmSync(dir.at("out"), { recursive: true });
      }
    }
  });

  test("in place, appended, with secluded arguments, not faster than allowed", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    const content = seededRandom("in place").bytes(400_000);
    writeFileSync(dir.at("src/a file"), content);
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    const pull = async (basis: Buffer, ...options: string[]): Promise<number> => {
      mkdirSync(dir.at("out"), { recursive: true });
      writeFileSync(dir.at("out/a file"), basis);
      const args = ["-aI", "--no-whole-file", "--stats", ...options];
      const stats = await runOk(rsync, [...args, daemon.url("m", "a file"), dir.at("out/")]);
      expect(readFileSync(dir.at("out/a file")).equals(content)).toBe(true);
      return statistic(stats, "Literal data");
    };
    const shifted = Buffer.concat([Buffer.alloc(10_000), content]);
    expect(await pull(shifted)).toBeLessThan(1000);
    // In place nothing may be taken from where it was overwritten already.
    expect(await pull(shifted, "--inplace")).toBeLessThan(1000);
    expect(await pull(content.subarray(10_000), "--inplace")).toBeGreaterThan(300_000);
    expect(await pull(content.subarray(0, 300_000), "--append")).toBe(100_000);
    expect(await pull(content.subarray(0, 300_000), "--append-verify")).toBe(100_000);
    // The part that is there is wrong: found by the sum, and sent anew.
    const wrong = Buffer.from(content.subarray(0, 300_000));
    wrong.fill(0, 1000, 2000);
    expect(await pull(wrong, "--append-verify")).toBeGreaterThan(100_000);
    expect(await pull(shifted, "-s")).toBeLessThan(1000);
    const started = performance.now();
    expect(await pull(Buffer.alloc(0), "--bwlimit=400")).toBe(400_000);
    expect(performance.now() - started).toBeGreaterThan(700);
  });
});
