// dialhome rsync prints what rsync prints, byte for byte: both programs pull the same files from the same daemon.
import {
  linkSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { afterAll, beforeAll, expect, it } from "vitest";
import { callDialhome } from "./support/dialhome-main.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run } from "./support/processes.ts";
import { type RealRsyncd, startRealRsyncd } from "./support/real-rsyncd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

const LOCALE = { LC_ALL: "C.UTF-8" };
const OLD = 1_000_000_000;

/** Speeds, times and bytes on the wire are each program's own. */
function normalise(text: string): string[] {
  return text
    .replace(
      /sent [\d,.]+[KM]? bytes {2}received [\d,.]+[KM]? bytes {2}(total|[\d,.]+[KM]? bytes\/sec)/g,
      "SENT",
    )
    .replace(/^(opening|sending daemon args|total: matches).*\n/gm, "")
    .replace(/speedup is [\d,.]+/g, "SPEEDUP")
    .replace(
      /^(STAMP )?(Total bytes sent|Total bytes received|File list \S+(?: time)?): .*$/gm,
      "$2",
    )
    .replace(/ +[\d.]+[kMG]B\/s +[\d:?]+/g, " SPEED")
    .split("\n");
}

describeWithPeers(["rsync"], "dialhome rsync prints what rsync prints", () => {
  let folder: TempDir;
  let daemon: RealRsyncd;

  beforeAll(async () => {
    folder = tempDir();
    const at = (path: string): string => folder.at("src", path);
    mkdirSync(at("sub/deep"), { recursive: true });
    mkdirSync(at("empty"));
    writeFileSync(at("a"), "changed\n");
    writeFileSync(at("same"), "same\n");
    writeFileSync(at("big"), Buffer.alloc(40_000, "b"));
    writeFileSync(at("none"), "");
    writeFileSync(at("sub/b c"), "b");
    writeFileSync(at("sub/deep/grün\n\t\\#033"), "x");
    writeFileSync(Buffer.concat([Buffer.from(at("sub/")), Buffer.from([0xe4, 0x1b])]), "y");
    symlinkSync("a", at("link"));
    linkSync(at("big"), at("sub/big too"));
    await run("mkfifo", [at("fifo")]);
    for (const path of ["same", "a", "big", "none", "sub/deep", "sub", "empty", ""]) {
      utimesSync(at(path), OLD, OLD);
    }
    writeFileSync(folder.at("motd"), "Hello!\n");
    daemon = await startRealRsyncd({
      modules: { src: { path: folder.at("src") } },
      motd: folder.at("motd"),
    });
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await folder[Symbol.asyncDispose]();
  });

  /** A destination with something the same, older, with other modes, of another kind, and to delete. */
  function prepare(name: string): string {
    const out = folder.at(name, "out");
    rmSync(folder.at(name), { recursive: true, force: true });
    mkdirSync(`${out}/sub/deep`, { recursive: true });
    writeFileSync(`${out}/same`, "same\n");
    writeFileSync(`${out}/none`, "", { mode: 0o600 });
    writeFileSync(`${out}/a`, "older\n");
    writeFileSync(`${out}/extra`, "");
    mkdirSync(`${out}/old/below`, { recursive: true });
    symlinkSync("elsewhere", `${out}/link`);
    for (const path of ["same", "none", "sub/deep", "sub"]) utimesSync(`${out}/${path}`, OLD, OLD);
    utimesSync(out, 5, 5);
    return folder.at(name);
  }

  async function printed(
    program: "ours" | "real",
    args: readonly string[],
    isNew: boolean,
  ): Promise<{ readonly lines: readonly string[]; readonly code: number | null }> {
    const cwd = prepare(program);
    if (isNew) rmSync(`${cwd}/out`, { recursive: true });
    const all = [...args, daemon.url("src"), "out/"];
    const { stdout, code } =
      program === "ours"
        ? await callDialhome(["rsync", ...all], { cwd, env: LOCALE })
        : await run(requirePeer("rsync"), all, { cwd, env: LOCALE });
    return { lines: normalise(stdout), code };
  }

  it.each([
    ["-av", "-aii", "-avi", "-ri", "-rtvn", "-acv8", "-v", "-av --no-i-r", "-av --exclude=sub"],
    ["-av --stats", "-ahh --stats", "-an --stats --no-h", "-aq --stats"],
    ["-a --progress", "-ai --progress --no-h", "-a --no-i-r --progress"],
    ["-av --info=name0", "-a --info=name,stats", "-av --info=flist0,nonreg0,stats0"],
    ["-av --existing", "-av --ignore-existing", "-ai --delete --protocol=29"],
    ["-a --out-format=%i|%n|%L|%f|%l|%'''l|%-9n|%o|%M|%B|%U|%G|%m|%C|%%|%Z"],
    ["-a --out-format=%n_%U_%G --usermap=*:7 --groupmap=0:9", "-rlt --out-format=%n_%U_%G"],
    ["-ac --out-format=%n_%C --checksum-choice=md5", "-a --out-format=[%12l]%C --cc=sha1"],
  ])("%s …", async (...all) => {
    for (const options of all) {
      for (const isNew of [false, true]) {
        const args = options.split(" ");
        const [ours, real] = [
          await printed("ours", args, isNew),
          await printed("real", args, isNew),
        ];
        expect([options, ours]).toEqual([options, real]);
      }
    }
  });

  // When rsync tells of these is a race of its two processes.
  it("deletes and what is up to date, in some order", async () => {
    for (const options of [
      "-avv",
      "-dv",
      "-av --delete",
      "-ai --delete",
      "-avn --delete",
      "-a --stats --delete",
      "-ai --del --out-format=%o_%n_%i",
      "-avv --existing",
      "-ai --protocol=28",
      "-aivn --protocol=27",
      "-avv --ignore-existing --max-size=100",
      "-aii --update --info=skip --min-size=1K",
    ]) {
      const sorted = async (program: "ours" | "real"): Promise<readonly string[]> =>
        (await printed(program, options.split(" "), false)).lines.toSorted();
      expect([options, await sorted("ours")]).toEqual([options, await sorted("real")]);
    }
  });

  it("the log file", async () => {
    for (const options of ["", "--log-file-format=%o_%n", "-v --stats", "-n", "--delete"]) {
      const log = async (program: "ours" | "real"): Promise<readonly string[]> => {
        const path = folder.at(`${program}.log`);
        const args = ["-a", `--log-file=${path}`, ...options.split(" ").filter(Boolean)];
        await printed(program, args, false);
        const text = readFileSync(path, "utf8").replace(
          /^\d{4}\/\d\d\/\d\d \d\d:\d\d:\d\d \[\d+\] /gm,
          "STAMP ",
        );
        rmSync(path);
        return normalise(text).toSorted();
      };
      expect([options, await log("ours")]).toEqual([options, await log("real")]);
    }
  });

  it("--list-only, with all kinds and human sizes", async () => {
    for (const options of [
      "-r",
      "-rv",
      "-rhhh",
      "-r --no-h",
      "-rl",
      "-d",
      "",
      "-aHn --list-only",
    ]) {
      const args = [...options.split(" ").filter(Boolean), daemon.url("src")];
      const ours = await callDialhome(["rsync", ...args], { env: LOCALE });
      const real = await run(requirePeer("rsync"), args, { env: LOCALE });
      expect([options, normalise(ours.stdout), ours.code]).toEqual([
        options,
        normalise(real.stdout),
        real.code,
      ]);
    }
  });

  it("--info=progress2 ends where rsync's does", async () => {
    const last = async (program: "ours" | "real"): Promise<string | undefined> => {
      const { lines } = await printed(program, ["-a", "--info=progress2"], true);
      return lines[0]?.split("\r").at(-1)?.trimEnd();
    };
    expect(await last("ours")).toBe(await last("real"));
  });

  it("the message of the day, unless it is not wanted", async () => {
    for (const options of [["-av"], ["-av", "--no-motd"], ["-a", "--checksum-seed=7"]]) {
      expect(await printed("ours", options, true)).toEqual(await printed("real", options, true));
    }
  });

  it("RSYNC_CONNECT_PROG takes the place of the connection", async () => {
    writeFileSync(
      folder.at("conf"),
      `use chroot = no\nhosts allow = 127.0.0.1\nuid = ${process.getuid?.()}\ngid = ${process.getgid?.()}\n[src]\npath = ${folder.at("src")}\n`,
    );
    const RSYNC_CONNECT_PROG = `${requirePeer("rsync")} --config=${folder.at("conf")} --daemon`;
    for (const url of ["rsync://nowhere.invalid/", "nowhere.invalid::src/a"]) {
      const env = { PATH: process.env["PATH"], RSYNC_CONNECT_PROG };
      const ours = await callDialhome(["rsync", url], { env });
      const real = await run(requirePeer("rsync"), [url], { env });
      expect([ours.stdout, ours.code, ours.stderr]).toEqual([real.stdout, real.code, real.stderr]);
    }
  });

  it("--stderr=all leaves standard output alone", async () => {
    const cwd = prepare("all");
    const args = ["rsync", "-av", "--stderr=all", daemon.url("src"), "out/"];
    const called = await callDialhome(args, { cwd });
    expect(called.stdout).toBe("");
    expect(called.stderr).toMatch(/^Hello!\n\nreceiving incremental file list\n/);
  });
});
