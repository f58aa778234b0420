import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import process from "node:process";
import type { TransferOptions } from "@dialhome/rsync-protocol-client";
import { expect, test } from "vitest";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { runDialhome } from "./support/dialhome-cli.ts";
import { startOurRsyncd } from "./support/our-rsyncd.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk } from "./support/processes.ts";
import { pullFromDaemon } from "./support/pull-real.ts";
import { seededRandom } from "./support/random.ts";
import { startRealRsyncd } from "./support/real-rsyncd.ts";
import { tempDir } from "./support/temp-dir.ts";

/** A number of rsync's `--stats`. */
function statistic(output: string, name: string): number {
  const match = new RegExp(`^${name}: ([\\d,]+)`, "m").exec(output);
  if (match?.[1] === undefined) throw new Error(`no "${name}" in:\n${output}`);
  return Number(match[1].replaceAll(",", ""));
}

/** Text, a program, noise, zeros, and small files; literals of more than 64 KiB among them. */
function makeSource(root: string): void {
  mkdirSync(`${root}/small`, { recursive: true });
  const line = (n: number): string => `${n}: the ${n * 7919}th line, not unlike the one before\n`;
  const text = Array.from({ length: 12_000 }, (_, n) => line(n)).join("");
  writeFileSync(`${root}/text`, text);
  writeFileSync(`${root}/program`, readFileSync(process.execPath).subarray(0, 700_000));
  writeFileSync(`${root}/noise`, seededRandom("noise").bytes(200_000));
  writeFileSync(`${root}/zeros`, Buffer.alloc(1_000_000));
  writeFileSync(`${root}/empty`, "");
  for (let n = 0; n < 150; n++) writeFileSync(`${root}/small/${n}`, text.slice(n * 40, n * 60));
}

/** Insertions, deletions and replacements, so that matches and literals take turns. */
function edit(root: string): void {
  for (const name of ["text", "program", "noise"]) {
    const bytes = readFileSync(`${root}/${name}`);
    const step = Math.floor(bytes.length / 9);
    const pieces = [0, 1, 2, 3, 4, 5, 6, 7, 8].flatMap((n) => [
      Buffer.from(`edit ${n} of ${name}, `.repeat(n + 1)),
      bytes.subarray(n * step + (n % 3) * 100, (n + 1) * step),
    ]);
    writeFileSync(`${root}/${name}`, Buffer.concat([...pieces, bytes.subarray(0, 90_000)]));
  }
  for (let n = 0; n < 150; n += 4) writeFileSync(`${root}/small/${n}`, `small ${n}\n`.repeat(n));
}

interface Way {
  readonly args: string;
  readonly options: TransferOptions;
  readonly compression: string;
}

const WAYS: readonly Way[] = [
  { args: "-z", options: { compress: true }, compression: "zstd" },
  { args: "-z --zl=19", options: { compress: true, compressLevel: 19 }, compression: "zstd" },
  { args: "--zc=lz4", options: { compressChoice: "lz4" }, compression: "lz4" },
  { args: "-zz", options: { compressChoice: "zlibx" }, compression: "zlibx" },
  {
    args: "--zc=zlib --zl=9",
    options: { compressChoice: "zlib", compressLevel: 9 },
    compression: "zlib",
  },
  { args: "--zl=0", options: { compressLevel: 0 }, compression: "zstd" },
  {
    args: "--zc=zlib --zl=0",
    options: { compressChoice: "zlib", compressLevel: 0 },
    compression: "none",
  },
  // Blocks of more than 65,535 bytes enter the history of zlib in another way before protocol 31.
  {
    args: "--zc=zlib --protocol=30 --block-size=100000",
    options: { compressChoice: "zlib", protocol: 30, blockSize: 100_000 },
    compression: "zlib",
  },
  {
    args: "-z --protocol=31 --checksum-choice=md5",
    options: { compress: true, protocol: 31, checksumChoice: "md5" },
    compression: "zstd",
  },
];

describeWithPeers(["rsync"], "compressed file data", () => {
  const rsync = requirePeer("rsync");

  test.each(WAYS)("in both roles it arrives as between two real rsyncs: $args", async (way) => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    await using real = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    await using ours = await startOurRsyncd({ modules: [{ name: "src", path: dir.at("src") }] });
    const args = ["-rt", "--stats", ...way.args.split(" ")];
    const options: TransferOptions = { recursive: true, times: true, ...way.options };
    for (const round of ["first", "second"]) {
      if (round === "second") edit(dir.at("src"));
      const wanted = await runOk(rsync, [...args, real.url("src"), dir.at("reference/")]);
      const { summary } = await pullFromDaemon({
        port: real.port,
        destination: dir.at("pulled/"),
        ...options,
      });
      const served = await runOk(rsync, [...args, ours.url("src"), dir.at("served/")]);
      await assertEqualTrees(dir.at("src"), dir.at("pulled"), { times: "none" });
      await assertEqualTrees(dir.at("src"), dir.at("served"), { times: "none" });

      const literal = statistic(wanted, "Literal data");
      const matched = statistic(wanted, "Matched data");
      expect(summary).toMatchObject({
        compression: way.compression,
        literalBytes: literal,
        matchedBytes: matched,
      });
      expect(statistic(served, "Literal data")).toBe(literal);
      expect(statistic(served, "Matched data")).toBe(matched);
      // The real sender's bytes are the real sender's; ours compresses about as well.
      const received = statistic(wanted, "Total bytes received");
      expect(summary.bytesReceived).toBeLessThan(received * 1.01 + 2_000);
      expect(statistic(served, "Total bytes received")).toBeLessThan(received * 1.2 + 2_000);
    }
    const sessions = await ours.ended(2);
    expect(sessions.map(({ exitCode }) => exitCode)).toEqual([0, 0]);
  });

  test("a daemon that refuses compression refuses each way to ask for it", async () => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    await using ours = await startOurRsyncd({
      modules: [{ name: "src", path: dir.at("src"), refuseOptions: ["compress"] }],
    });
    await Promise.all(
      ["-z", "-zz", "--zc=lz4", "--zl=3"].map(async (arg) => {
        const ended = await run(rsync, ["-r", arg, ours.url("src"), dir.at("none/")]);
        expect(ended.stderr).toContain("The server is configured to refuse --compress (-z)");
        expect(ended.code).not.toBe(0);
      }),
    );
    cpSync(dir.at("src"), dir.at("copy"), { recursive: true, preserveTimestamps: true });
    await runOk(rsync, ["-rt", "--zc=none", ours.url("src"), dir.at("copy/")]);
  });

  test("the command line asks as rsync does, and takes RSYNC_COMPRESS_LIST", async () => {
    await using dir = tempDir();
    makeSource(dir.at("src"));
    await using real = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
    const pull = async (to: string, args: string[], env = {}): Promise<number> => {
      const all = ["rsync", "-rt", "--stats", ...args, real.url("src"), dir.at(to, "/")];
      const { code, stdout } = await runDialhome(all, { env });
      expect(code).toBe(0);
      await assertEqualTrees(dir.at("src"), dir.at(to), { times: "none" });
      return statistic(stdout, "Total bytes received");
    };
    const [plain, zstd, lz4] = await Promise.all([
      pull("plain", []),
      pull("zstd", ["-z"]),
      pull("lz4", ["-z"], { RSYNC_COMPRESS_LIST: "lz4" }),
    ]);
    expect(zstd).toBeLessThan(lz4 * 0.8);
    expect(lz4).toBeLessThan(plain * 0.8);
  });
});
