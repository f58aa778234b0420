import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import type { TransferOptions } from "@dialhome/rsync-protocol-client";
import { afterAll, beforeAll, beforeEach, expect, it } from "vitest";
import { startCutProxy } from "./support/cut-proxy.ts";
import { mountSmallDisk } from "./support/full-disk.ts";
import { describeWithPeers } from "./support/peers.ts";
import { ARCHIVE, type Pulled, pullFromDaemon } from "./support/pull-real.ts";
import { seededRandom } from "./support/random.ts";
import { type RealRsyncd, startRealRsyncd } from "./support/real-rsyncd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

const MIB = 1024 * 1024;
const SIZE = 4 * MIB;

describeWithPeers(["rsync"], "a pull that is cut in the middle of a file", () => {
  let dir: TempDir;
  let daemon: RealRsyncd;
  let content: Buffer;
  let dest: string;

  beforeAll(async () => {
    dir = tempDir();
    mkdirSync(dir.at("src"));
    content = seededRandom("partial").bytes(SIZE);
    writeFileSync(dir.at("src/file"), content);
    utimesSync(dir.at("src/file"), 1_600_000_000, 1_600_000_000);
    daemon = await startRealRsyncd({ modules: { src: { path: dir.at("src") } } });
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await dir[Symbol.asyncDispose]();
  });

  beforeEach(() => {
    dest = dir.at("dest");
    rmSync(dest, { recursive: true, force: true });
    mkdirSync(dest);
  });

  /** Pulls until half of the file has come, and then nothing more. */
  async function pullHalf(options: TransferOptions): Promise<void> {
    const plan = { direction: "to-client", afterBytes: SIZE / 2, action: "stall" } as const;
    await using proxy = await startCutProxy(daemon, plan);
    const failure = await pullFromDaemon({
      ...ARCHIVE,
      ...options,
      port: proxy.port,
      destination: dest,
      timeoutMs: 300,
    }).catch((error: unknown) => error);
    expect(failure).toMatchObject({ code: "ERR_RSYNC_TIMEOUT" });
  }

  const pullRest = (options: TransferOptions): Promise<Pulled> =>
    pullFromDaemon({ ...ARCHIVE, ...options, port: daemon.port, destination: dest });

  const isBeginning = (path: string): boolean => {
    const part = readFileSync(path);
    return part.length > MIB && part.length < SIZE && content.subarray(0, part.length).equals(part);
  };

  it("leaves nothing of it without --partial, and the old file under its name", async () => {
    writeFileSync(`${dest}/file`, "old");
    await pullHalf({});
    expect(readdirSync(dest)).toEqual(["file"]);
    expect(readFileSync(`${dest}/file`, "utf8")).toBe("old");
  });

  it("keeps the beginning under its name with --partial, without the time of the whole", async () => {
    await pullHalf({ partial: true });
    expect(readdirSync(dest)).toEqual(["file"]);
    expect(isBeginning(`${dest}/file`)).toBe(true);
    expect(statSync(`${dest}/file`).mtimeMs).toBe(0);
    const { summary } = await pullRest({ partial: true });
    expect(summary.matchedBytes).toBeGreaterThan(MIB);
    expect(readFileSync(`${dest}/file`).equals(content)).toBe(true);
  });

  it.each([
    ["beside it", ".part"],
    ["in one directory for all", "absolute"],
  ])("keeps it %s with --partial-dir, goes on from there, and tidies up", async (_where, name) => {
    writeFileSync(`${dest}/file`, "old");
    const isAbsolute = name === "absolute";
    const partialDir = isAbsolute ? dir.at("parts") : name;
    const directory = isAbsolute ? partialDir : `${dest}/${name}`;
    await pullHalf({ partialDir });
    expect(readFileSync(`${dest}/file`, "utf8")).toBe("old");
    expect(isBeginning(`${directory}/file`)).toBe(true);
    expect(statSync(directory).mode & 0o777).toBe(0o700);
    const before = statSync(`${directory}/file`).size;
    // Cut once more: what has come so far is not lost.
    await pullHalf({ partialDir });
    expect(statSync(`${directory}/file`).size).toBeGreaterThan(before);
    const { summary } = await pullRest({ partialDir, delete: true });
    expect(summary).toMatchObject({ exitCode: 0, transferredFiles: 1 });
    expect(summary.matchedBytes).toBeGreaterThan(SIZE / 2);
    expect(readFileSync(`${dest}/file`).equals(content)).toBe(true);
    expect(readdirSync(dest)).toEqual(["file"]);
    expect(existsSync(`${directory}/file`)).toBe(false);
  });

  it("tears the file with --inplace, and mends it the next time", async () => {
    const old = Buffer.alloc(SIZE + MIB, "old ");
    writeFileSync(`${dest}/file`, old);
    const { ino } = statSync(`${dest}/file`);
    await pullHalf({ inplace: true });
    const torn = readFileSync(`${dest}/file`);
    expect(torn.length).toBe(old.length);
    expect(torn.subarray(0, MIB).equals(content.subarray(0, MIB))).toBe(true);
    expect(torn.subarray(-MIB).equals(old.subarray(-MIB))).toBe(true);
    const { summary } = await pullRest({ inplace: true });
    expect(summary.matchedBytes).toBeGreaterThan(MIB);
    expect(readFileSync(`${dest}/file`).equals(content)).toBe(true);
    expect(statSync(`${dest}/file`).ino).toBe(ino);
    expect(readdirSync(dest)).toEqual(["file"]);
  });

  it.each([true, "verify"] as const)("goes on at the end with append %s", async (append) => {
    await pullHalf({ append });
    expect(isBeginning(`${dest}/file`)).toBe(true);
    const { summary } = await pullRest({ append });
    expect(summary.literalBytes).toBeLessThan(SIZE - MIB);
    expect(readFileSync(`${dest}/file`).equals(content)).toBe(true);
  });

  it("writes the whole file when the beginning is another one: only --append-verify sees it", async () => {
    writeFileSync(`${dest}/file`, Buffer.alloc(MIB, "other"));
    await pullRest({ append: true });
    expect(readFileSync(`${dest}/file`).subarray(0, 5).toString()).toBe("other");
    writeFileSync(`${dest}/file`, Buffer.alloc(MIB, "other"));
    const { summary, messages } = await pullRest({ append: "verify" });
    expect(summary.exitCode).toBe(0);
    expect(messages.map(({ text }) => text).join()).toMatch(/asking once more/);
    expect(readFileSync(`${dest}/file`).equals(content)).toBe(true);
  });

  it.runIf(process.getuid?.() === 0)(
    "keeps what fitted on a full disk, and no temporary file",
    async () => {
      await using disk = await mountSmallDisk(2 * MIB);
      dest = disk.path;
      const failure = await pullRest({ partialDir: ".part" }).catch((error: unknown) => error);
      expect(failure).toMatchObject({ code: "ERR_RSYNC_FILE", exitCode: 11 });
      expect(readdirSync(dest)).toEqual([".part"]);
      expect(isBeginning(`${dest}/.part/file`)).toBe(true);
    },
  );
});
