import { mkdirSync, rmSync, statSync, symlinkSync, utimesSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { treeDifferences } from "./support/compare-trees.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run } from "./support/processes.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";

/** A tree with links of every kind: to files and folders, out of a folder, out of the module, nowhere. */
function makeLinkTree(root: string): void {
  for (const folder of ["a/b/c", "a/empty", "d/e", "z"]) {
    mkdirSync(`${root}/${folder}`, { recursive: true });
  }
  const names = [
    "one",
    "a/two",
    "a/b/three",
    "a/b/c/four",
    "d/five",
    "d/e/six",
    "z/#seven",
    "z/b\\#c",
  ];
  for (const name of names) writeFileSync(`${root}/${name}`, `content of ${name}`);
  writeFileSync(`${root}/d/.rules`, "- six\n");
  writeFileSync(
    `${root}/list`,
    "# comment\n\n; more\none\r\na/b/\nd/./e/six\n../a/two\nz/#seven\n",
  );
  writeFileSync(`${root}/list0`, "one\0a/two\0");
  for (const [name, target] of Object.entries({
    "to-file": "a/two",
    "to-folder": "a/b",
    "to-link": "to-folder",
    "to-nowhere": "nothing",
    "to-outside": "../outside",
    "a/to-long": "x".repeat(300),
    "a/up": "../d",
    "a/b/far-up": "../../one",
    "a/b/c/sly": "../c/../../two",
    "to-absolute": "/etc/hostname",
    "to-inside": "/a/two",
    "d/munged": "/rsyncd-munged/../one",
  })) {
    symlinkSync(target, `${root}/${name}`);
  }
  const quiet = new Date("2021-05-06T07:08:09Z");
  // Long ago: rsync takes times within one second for equal.
  const folders = ["a/b/c", "a/b", "a/empty", "a", "d/e", "d", "z", "."];
  for (const name of [...names, ...folders]) utimesSync(`${root}/${name}`, quiet, quiet);
}

/** Options, and paths below the module. */
type Case = readonly [options: string, ...paths: string[]];

const CASES: readonly Case[] = [
  ["-aL", ""],
  ["-aL --exclude=to-* --exclude=far-up --exclude=sly", ""],
  ["-aL", "x".repeat(300), "one"],
  ["-aLv", "a/up/", "to-file"],
  ["-aL --no-inc-recursive", "a"],
  ["-ak", ""],
  ["-ak", "to-folder", "a/up"],
  ["-a --copy-unsafe-links", ""],
  ["-av --copy-unsafe-links", "a/b"],
  ["-a --safe-links", ""],
  ["-aR", "a/b/three"],
  ["-aR", "a/b/", "d/./e", "one"],
  ["-aR --no-implied-dirs", "a/b/c/four"],
  ["-aR", "a/b/three", "a/b/c", "a/b/c/four", "d/e/six", "nothing/at/all", "d/e/no"],
  ["-aHR", "./d/e", "./a/b", "a/./b", "z"],
  ["-a --protocol=31", "a", "d/", "a/b/", "d", "z", "one"],
  ["-a --protocol=30 --exclude=three", "a/b", "a", "d/../z", "a/t[a-z]o"],
  ["-axR --filter=:_.rules", "a/b", "d/e/six", "z"],
  ["-aR", "to-folder/three"],
  ["-aR", "to-folder/"],
  ["-aR", "./a/two"],
  ["-aR", "a/./"],
  ["-R -d", "a/", "d"],
  ["-aR --filter=:_.rules", "d/e"],
  ["-aR --exclude=two --exclude=six", "a", "d/e/six"],
  ["-ax", "a/../d/five"],
  ["-aR", "nothing/at/all", "one"],
  ["-a --ignore-missing-args", "nothing", "one"],
  ["-a --delete-missing-args --no-inc-recursive", "nothing", "one"],
  ["-aR --delete-missing-args --no-inc-recursive", "nothing/at", "one"],
  ["-a --exclude=one", "one", "d"],
  ["-a", "nothing/", "one"],
  ["-d", ""],
  ["-d", "a"],
  ["-lptd", "a/"],
  ["-a", "{one,d}", "a/t[a-z]o"],
  ["-a", "[!t]*", "d/*s"],
  ["-a", "z/b\\#c", "z/b\\\\#c", "a/no\\such"],
  ["-a --old-args", "z/b\\#c", "z/b\\#?"],
  ["-a --numeric-ids --chown=:5", ""],
  ["-aH --list-only", "a"],
  ["-am --exclude=four", ""],
  ["-r --max-size=13", ""],
  ["-rt --min-size=14 -u", ""],
  ["-a --files-from=LIST", ""],
  ["-a --no-R --files-from=LIST", ""],
  ["-ar --files-from=LIST", ""],
  ["-a -0 --files-from=LIST0", "d/.."],
  ["-a --files-from=:list", ""],
  ["-a --files-from=:/list", "a"],
  ["-a -0 --files-from=:list0", ""],
  ["-a --files-from=LIST", "nothing"],
  ["-aL --files-from=LIST", ""],
  ["-a --files-from=LIST --protocol=29", ""],
  ["-a --files-from=:list --protocol=30", ""],
  ["-ar --files-from=LIST --protocol=30", ""],
  // What is asked for behind a wildcard need not be everywhere, and links to nothing match none.
  ["-a", "*/two", "*/b/*"],
  ["-aR", "to-*", "*/"],
  ["-a -0 --files-from=LIST0 --protocol=30 --exclude=five --timeout=60", "d"],
  ["-aR --protocol=29", "a/b/", "d/./e", "one"],
  ["-aL --protocol=29", ""],
  ["-aHU", ""],
  ["-aHUU --protocol=30 --no-inc-recursive", "a", "d"],
  ["-aU --open-noatime", ""],
  ["-a --open-noatime", ""],
  ["-ab --suffix=.old --backup-dir=kept", ""],
  ["-a --stderr=client -v", "one"],
  ["-aS --fuzzy --partial-dir=.p --delay-updates --delete-after --stop-after=10", ""],
  ["-a --block-size=700 --checksum-seed=7 --timeout=60 --no-whole-file", ""],
  ["-ac --checksum-choice=md5,xxh64 --max-alloc=64M --skip-compress=gz", ""],
];

describeWithPeers(["rsync"], "the same pull from our daemon and from the real one", () => {
  const rsync = requirePeer("rsync");

  // Only root may chroot(2), and without it the real daemon follows links to outside of the module in part.
  test.skipIf(process.getuid?.() !== 0)(
    "gives equal trees, words and exit codes",
    async () => {
      await using dir = tempDir();
      makeLinkTree(dir.at("src"));
      writeFileSync(dir.at("outside"), "secret");
      writeFileSync(dir.at("list"), "one\na/b\n\nd/./e/six\n/a/two\nz/#seven\nnothing\n./d/five\n");
      writeFileSync(dir.at("list0"), "five\0e/\0");
      await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
      await using real = await startRealRsyncd({
        modules: {
          m: { path: dir.at("src"), settings: { "use chroot": "yes", "numeric ids": "no" } },
        },
      });
      for (const [options, ...paths] of CASES) {
        const pull = async (server: typeof daemon | typeof real, to: string): Promise<unknown> => {
          mkdirSync(dir.at(to));
          writeFileSync(dir.at(to, "nothing"), "is deleted when it is missing there");
          utimesSync(dir.at(to, "nothing"), 0, 0);
          utimesSync(dir.at(to), 0, 0);
          const given = options.split(" ").map((option) =>
            option
              .replace("LIST", dir.at("list"))
              .replace("_", " ")
              .replace(`${dir.at("list")}0`, dir.at("list0")),
          );
          const sources = paths.map((path) => server.url("m", path));
          const args = ["--itemize-changes", "--stats", ...given, ...sources, dir.at(to, "/")];
          const { code, stdout, stderr } = await run(rsync, args);
          return { options, paths, code, ...said(stdout, stderr, dir.path, to) };
        };
        const theirs = await pull(real, "theirs");
        const ours = await pull(daemon, "ours");
        expect(ours).toEqual(theirs);
        const differences = treeDifferences(dir.at("theirs"), dir.at("ours")).filter(isNotOfNow);
        expect([options, ...differences]).toEqual([options]);
        for (const to of ["ours", "theirs"]) rmSync(dir.at(to), { recursive: true });
      }
    },
    180_000,
  );

  test("times of access arrive with -U", async () => {
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    const times = [-86_400, 1_000_000_000, 1_000_000_000, 5_000_000_000];
    for (const [i, atime] of times.entries()) {
      writeFileSync(dir.at(`src/${i}`), "");
      utimesSync(dir.at(`src/${i}`), new Date(atime * 1000), 1_500_000_000);
    }
    await using daemon = await startOurRsyncd({ modules: [{ name: "m", path: dir.at("src") }] });
    for (const protocol of [30, 31, 32]) {
      const args = ["-aU", `--protocol=${protocol}`, daemon.url("m"), dir.at(`${protocol}/`)];
      expect(await run(rsync, args)).toMatchObject({ code: 0, stderr: "" });
      const arrived = times.map((_, i) => statSync(dir.at(`${protocol}/${i}`)).atimeMs / 1000);
      expect(arrived).toEqual(times);
    }
  });
});

/** Whether a difference of trees is more than that both ends were made just now, one after the other. */
function isNotOfNow(line: string): boolean {
  const [ours, theirs] = line
    .replace(/^[^:]*: /, "")
    .replaceAll(/mtime (\d+)/g, (time, ns: string) => (Number(ns) > 1.7e18 ? "now" : time))
    .split("; expected ");
  return ours !== theirs;
}

/** What a client printed, without what differs from run to run. */
function said(stdout: string, stderr: string, folder: string, to: string): object {
  const lines = (text: string): string[] =>
    text
      .split("\n")
      .filter(
        (line) =>
          line !== "" &&
          !/read error|\[sender=|bytes (?:sent|received)|File list|bytes\/sec|speedup|incremental/i.test(
            line,
          ),
      )
      .map((line) => line.replaceAll(`${folder}/${to}`, "OUT"))
      .toSorted();
  return { stdout: lines(stdout), stderr: lines(stderr) };
}
