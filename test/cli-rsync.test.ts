// dialhome rsync and rsyncd beside the real ones: the same lines, the same exit codes, every option known by its name.
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { oneLine } from "./support/backup-rig.ts";
import { assertEqualTrees } from "./support/compare-trees.ts";
import { DIALHOME, startDialhome } from "./support/dialhome-cli.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { freePort } from "./support/ports.ts";
import { run, runOk } from "./support/processes.ts";
import { type RealRsyncd, startRealRsyncd } from "./support/real-rsyncd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";
import { makeNastyTree } from "./support/tree.ts";

let folder: TempDir;
let source: string;

beforeAll(async () => {
  folder = tempDir();
  source = folder.at("source");
  mkdirSync(source);
  await makeNastyTree(source);
});

afterAll(async () => {
  await folder[Symbol.asyncDispose]();
});

describeWithPeers(["rsync"], "dialhome rsync and a real daemon", () => {
  let daemon: RealRsyncd;
  let locked: RealRsyncd;

  beforeAll(async () => {
    daemon = await startRealRsyncd({
      modules: { tree: { path: source, settings: { comment: "a tree" } } },
    });
    locked = await startRealRsyncd({
      modules: { tree: { path: source } },
      users: { me: "open sesame" },
    });
  });

  afterAll(async () => {
    await daemon[Symbol.asyncDispose]();
    await locked[Symbol.asyncDispose]();
  });

  it("pulls a nasty tree, and then finds nothing to do", async () => {
    const args = ["rsync", "-aHi", daemon.url("tree"), folder.at("copy")];
    const first = await callDialhome(args);
    expect([first.code, first.stderr]).toEqual([0, ""]);
    await assertEqualTrees(source, folder.at("copy"));
    const second = await callDialhome(args);
    expect([second.code, second.stdout, second.stderr]).toEqual([0, "", ""]);
  });

  it("takes names that are no UTF-8 as they are", async () => {
    const name = Buffer.from([0x61, 0xe4, 0xff]);
    const inside = (...path: string[]): Buffer => Buffer.from(`${folder.at(...path)}/`);
    mkdirSync(folder.at("raw"));
    writeFileSync(Buffer.concat([inside("raw"), name]), "x");
    await using raw = await startRealRsyncd({ modules: { raw: { path: folder.at("raw") } } });
    // Node encodes what it gives to a child: a shell makes the bytes.
    const words = `exec "$@" "$(printf '%s/a\\344\\377' '${raw.url("raw").replace(/\/$/, "")}')" raw-copy/`;
    const args = ["-c", words, "sh", ...DIALHOME, "rsync", "-r"];
    expect(await run("sh", args, { cwd: folder.path })).toMatchObject({ code: 0, stderr: "" });
    expect(readdirSync(folder.at("raw-copy"), "buffer")).toEqual([name]);
  });

  it("lists files and modules in rsync's lines", async () => {
    for (const args of [
      [daemon.url("tree")],
      ["-r", daemon.url("tree")],
      [`rsync://127.0.0.1:${daemon.port}/`],
    ]) {
      const ours = await callDialhome(["rsync", "--no-h", ...args]);
      const real = await run(requirePeer("rsync"), ["--no-h", ...args]);
      expect(ours.code).toBe(0);
      const counted = (text: string): string[] =>
        text
          .split("\n")
          .map((line) => line.slice(0, 42))
          .toSorted();
      expect(counted(ours.stdout)).toEqual(counted(real.stdout));
    }
  });

  it("names, counts and deletes in rsync's lines", async () => {
    const wordsOf = async (
      program: "ours" | "real",
      args: readonly string[],
    ): Promise<string[]> => {
      const target = folder.at(`words-${program}`);
      mkdirSync(target, { recursive: true });
      writeFileSync(join(target, "extra"), "");
      const all = [...args, daemon.url("tree", "folder/"), `${target}/`];
      const { stdout } =
        program === "ours"
          ? await callDialhome(["rsync", ...all])
          : await run(requirePeer("rsync"), all);
      rmSync(target, { recursive: true });
      // Bytes on the wire, speeds and times are each program's own.
      return stdout
        .split("\n")
        .filter((line) => !/bytes\/sec|speedup|Total bytes|File list/.test(line))
        .toSorted();
    };
    mkdirSync(join(source, "folder"), { recursive: true });
    writeFileSync(join(source, "folder", "a"), "a\n");
    writeFileSync(join(source, "folder", "b"), Buffer.alloc(5_000, "b"));
    // In whole seconds, a folder that was just made would look like one that is as old.
    utimesSync(join(source, "folder"), 1_600_000_000, 1_600_000_000);
    for (const args of [["-rtv", "--delete"], ["-rti", "--delete"], ["-rt", "--stats"], ["-rvn"]]) {
      expect(await wordsOf("ours", args)).toEqual(await wordsOf("real", args));
    }
  });

  it("takes a password from the environment, a file or standard input, and shows it nowhere", async () => {
    const url = locked.url("tree", "", "me");
    const file = folder.at("password");
    writeFileSync(file, "open sesame\nsecond line\n", { mode: 0o600 });
    const pull = (args: readonly string[], password?: string): ReturnType<typeof callDialhome> =>
      callDialhome(["rsync", "-n", ...args, url], { env: { RSYNC_PASSWORD: password } });
    expect((await pull([], "open sesame")).code).toBe(0);
    expect((await pull([`--password-file=${file}`])).code).toBe(0);
    const wrong = await pull([], "guessed word");
    expect([wrong.code, oneLine(wrong.stderr)]).toEqual([
      5,
      "dialhome: the daemon refused: auth failed on module tree",
    ]);
    const none = await pull([]);
    expect(none.code).toBe(5);
    expect(oneLine(none.stderr)).toMatch(/asks for the password of "me"; set RSYNC_PASSWORD/);
    chmodSync(file, 0o644);
    const open = await pull([`--password-file=${file}`]);
    expect(open.code).toBe(1);
    expect(oneLine(open.stderr)).toMatch(/must not be accessible to others/);

    const { code, stderr } = await callDialhome(["rsync", "--password-file=-", url], {
      stdin: "open sesame\n",
    });
    expect([code, stderr]).toEqual([0, ""]);
  });

  it.each([
    [["rsync://127.0.0.1:PORT/nix", "x"], 5, /the daemon refused: Unknown module 'nix'/],
    [["rsync://127.0.0.1:CLOSED/tree", "x"], 10, /ECONNREFUSED/],
    [["rsync://nobody.invalid/tree", "x"], 10, /nobody\.invalid/],
    [["rsync://127.0.0.1:PORT/tree/nix", "x"], 23, /nix/],
    [["--fuzzy", "rsync://127.0.0.1:PORT/tree", "x"], 4, /option --fuzzy is not supported/],
    [["--nonsense", "rsync://127.0.0.1:PORT/tree", "x"], 1, /--nonsense: unknown option/],
    [["-rt", "rsync://127.0.0.1:PORT/tree", "/nonexistent/a/b"], 11, /nonexistent/],
  ])("%j ends with exit code %d and one line", async (args, exitCode, line) => {
    const closed = await freePort();
    const real = args.map((arg) =>
      arg.replace("PORT", String(daemon.port)).replace("CLOSED", String(closed)),
    );
    const { code, stderr } = await callDialhome(["rsync", ...real], { cwd: folder.path });
    expect(oneLine(stderr)).toMatch(line);
    expect(code).toBe(exitCode);
  });

  it("knows every option of the real rsync", async () => {
    const help = await runOk(requirePeer("rsync"), ["--help"]);
    const names = [...help.matchAll(/(?:^|, )--([a-z0-9][\w-]*)/gim)].map(([, name]) =>
      String(name),
    );
    const letters = [...help.matchAll(/(?:^|, )-([a-z0-9@])(?=[ ,])/gim)].map(([, letter]) =>
      String(letter),
    );
    expect(names.length).toBeGreaterThan(130);
    const { optionNamed } = await import("../packages/dialhome/src/rsync/option-table.ts");
    const isKnown = (name: string): boolean =>
      optionNamed(name) !== undefined || optionNamed(name.replace(/^no-/, "")) !== undefined;
    expect([...names, ...letters].filter((name) => !isKnown(name) && name !== "no-OPTION")).toEqual(
      [],
    );
  });
});

describe("dialhome rsyncd", () => {
  it("serves its modules to dialhome rsync, by password, and says who came", async () => {
    writeFileSync(folder.at("secrets"), "# users\nme:open sesame\n", { mode: 0o600 });
    await using daemon = startDialhome(
      ["rsyncd", "--module", `tree=${source}`, "--listen", "127.0.0.1:0", "--json"].concat([
        "--auth-user",
        "me",
        "--secrets-file",
        folder.at("secrets"),
      ]),
    );
    const [, port] = await daemon.waitFor("stdout", /"event":"listening".*"port":(\d+)/);
    const env = { RSYNC_PASSWORD: "open sesame" };
    const args = ["rsync", "-aH", `rsync://me@127.0.0.1:${port}/tree/`, folder.at("from-ours")];
    const { code, stderr } = await callDialhome(args, { env });
    expect([code, stderr]).toEqual([0, ""]);
    await daemon.waitFor("stdout", /"event":"session".*"exitCode":0,"module":"tree","user":"me"/);
    const wrong = await callDialhome(args, { env: { RSYNC_PASSWORD: "guessed" } });
    expect(wrong.code).toBe(5);
    expect(oneLine(wrong.stderr)).toMatch(/auth failed on module tree/);
    expect(statSync(folder.at("from-ours")).isDirectory()).toBe(true);
    await daemon.waitFor("stdout", /"code":"ERR_RSYNC_REFUSED"/);
    expect(daemon.stdout).not.toMatch(/sesame|guessed/);
    daemon.kill("SIGINT");
    const ended = await daemon.ended;
    expect([ended.code, ended.stderr]).toEqual([0, ""]);
  });

  it("refuses secrets that others can read, and users without one", async () => {
    const secrets = folder.at("open-secrets");
    writeFileSync(secrets, "me:word\n", { mode: 0o644 });
    const rsyncd = (...args: string[]): ReturnType<typeof callDialhome> =>
      callDialhome(["rsyncd", "--module", `tree=${source}`, "--secrets-file", secrets, ...args]);
    const open = await rsyncd("--auth-user", "me");
    expect(oneLine(open.stderr)).toMatch(/must not be accessible to others/);
    expect(open.code).toBe(1);
    chmodSync(secrets, 0o600);
    const unknown = await rsyncd("--auth-user", "you");
    expect(unknown.code).toBe(2);
    expect(oneLine(unknown.stderr)).toMatch(/no line for user "you"/);
    expect(unknown.stderr).not.toContain("word");
  });
});
