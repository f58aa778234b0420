import { copyFileSync, mkdirSync, rmSync, utimesSync, writeFileSync } from "node:fs";
import {
  type CompressionName,
  formatChecksumChoice,
  parseChecksumChoice,
} from "@dialhome/rsync-protocol";
import { expect, it } from "vitest";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { runOk } from "./support/processes.ts";
import { ARCHIVE, pullFromDaemon } from "./support/pull-real.ts";
import { seededRandom } from "./support/random.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";

/** Protocol, type (or two: of the transfer, of `-c`), seed. */
const CASES: readonly (readonly [number, string, number?, CompressionName?])[] = [
  [32, "xxh128"],
  [32, "xxh3", 12_345],
  [32, "xxh64", -7],
  [32, "md5"],
  [32, "md5", 1],
  [32, "md4", 99],
  [32, "sha1", 12_345],
  [32, "none,md5"],
  [32, "xxh64,sha1"],
  [31, "sha1,xxh3"],
  [31, "xxh128", -1],
  [30, "md4"],
  [30, "md5,xxh64", 12_345],
  [30, "none,xxh128"],
  [29, "md5", 3],
  [29, "md4,md5"],
];

/** Compressed, where the sums are taken of what was decompressed: each way with a chosen type at each protocol. */
const COMPRESSED: readonly (readonly [number, string, undefined, CompressionName])[] = [
  29, 30, 31, 32,
].flatMap((protocol) =>
  (["zstd", "lz4", "zlibx"] as const).map((name) => [protocol, "md5", undefined, name] as const),
);

const LINES = ["Literal data", "Matched data", "Number of regular files transferred"];

describeWithPeers(["rsync"], "--checksum-choice and --checksum-seed", () => {
  it("both roles find the blocks and the equal files that the real rsync finds with itself", async () => {
    const rsync = requirePeer("rsync");
    await using dir = tempDir();
    mkdirSync(dir.at("src"));
    const random = seededRandom("checksums");
    const large = random.bytes(300_000);
    writeFileSync(dir.at("src/large"), large);
    writeFileSync(dir.at("src/same"), "the same but for its time");
    writeFileSync(dir.at("src/other"), "of equal length 1");
    writeFileSync(dir.at("src/new"), random.bytes(40_000));
    const fill = (folder: string): string => {
      rmSync(dir.at(folder), { recursive: true, force: true });
      mkdirSync(dir.at(folder));
      writeFileSync(dir.at(folder, "large"), Buffer.concat([Buffer.from("in front"), large]));
      copyFileSync(dir.at("src/same"), dir.at(folder, "same"));
      writeFileSync(dir.at(folder, "other"), "of equal length 2");
      for (const name of ["same", "other"]) utimesSync(dir.at(folder, name), 1, 1);
      return dir.at(folder);
    };
    await using real = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    await using ours = await startOurRsyncd({ modules: [{ name: "src", path: dir.at("src") }] });
    for (const [protocol, name, seed, compression] of [...CASES, ...COMPRESSED]) {
      const choice = parseChecksumChoice(name);
      if (!choice) throw new Error(`no choice: ${name}`);
      expect(formatChecksumChoice(choice)).toBe(name);
      const way = ["-ac", "--no-W", "--stats", `--protocol=${protocol}`, `--cc=${name}`];
      if (seed !== undefined) way.push(`--checksum-seed=${seed}`);
      if (compression !== undefined) way.push("-z", `--zc=${compression}`);
      const numbersOf = (output: string): string[] =>
        LINES.map((line) => new RegExp(`^${line}: [\\d,]+`, "m").exec(output)?.[0] ?? "");
      const wanted = numbersOf(await runOk(rsync, [...way, real.url("src"), `${fill("real")}/`]));
      const served = numbersOf(await runOk(rsync, [...way, ours.url("src"), `${fill("served")}/`]));
      expect([protocol, name, compression, served]).toEqual([protocol, name, compression, wanted]);
      const { summary } = await pullFromDaemon({
        ...ARCHIVE,
        port: real.port,
        destination: fill("pulled"),
        protocol,
        checksum: true,
        checksumChoice: choice,
        ...(seed === undefined ? {} : { checksumSeed: seed }),
        ...(compression === undefined ? {} : { compress: true, compressChoice: compression }),
      });
      expect(summary).toMatchObject({
        exitCode: 0,
        checksum: choice.transfer,
        compression: compression ?? "none",
      });
      const told = [summary.literalBytes, summary.matchedBytes, summary.transferredFiles];
      const shown = told.map((value, i) => `${LINES[i]}: ${value.toLocaleString("en-US")}`);
      expect([protocol, name, compression, shown]).toEqual([protocol, name, compression, wanted]);
      expect(wanted[2]).toMatch(/: 3$/);
      for (const folder of ["served", "pulled"]) {
        await assertEqualTrees(dir.at("src"), dir.at(folder), { times: "none" });
      }
    }
  });
});
