// What lies in a store, by the command line: made, listed, verified, restored, with what a person or a program reads.
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type BackupHostRig, backUpOk, oneLine, startBackupHost } from "./support/backup-rig.ts";
import { runDialhome } from "./support/dialhome-cli.ts";
import { callDialhome } from "./support/dialhome-main.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

let host: BackupHostRig;
let folder: TempDir;
let source: string;

beforeAll(async () => {
  folder = tempDir();
  source = folder.at("source");
  mkdirSync(join(source, "etc"), { recursive: true });
  writeFileSync(join(source, "etc/fstab"), "first\n");
  writeFileSync(join(source, "notes"), "same\n");
  host = await startBackupHost();
  const key = host.addDevice();
  await backUpOk({ host, key, name: "laptop", path: source });
  writeFileSync(join(source, "etc/fstab"), "second, and longer\n");
  await backUpOk({ host, key, name: "laptop", path: source });
});

afterAll(async () => {
  await host[Symbol.asyncDispose]();
  await folder[Symbol.asyncDispose]();
});

const jsonLines = (text: string): Record<string, unknown>[] =>
  text
    .trimEnd()
    .split("\n")
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what --json promises
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function snapshotIds(): Promise<string[]> {
  const { stdout } = await callDialhome(["snapshots", host.store, "--json"]);
  return jsonLines(stdout).map(({ id }) => String(id));
}

describe("dialhome snapshots", () => {
  it("lists them for people", async () => {
    const { code, stdout, stderr } = await callDialhome(["snapshots", host.store]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const [head, ...rows] = stdout.trimEnd().split("\n");
    expect(head).toMatch(/^machine +snapshot +files +size +new +state$/);
    expect(rows).toHaveLength(2);
    for (const row of rows) expect(row).toMatch(/^laptop +\S+Z\.00000\d +2 .* complete$/);
  });

  it("lists them for programs, with paths that are there", async () => {
    const { stdout } = await callDialhome(["snapshots", host.store, "laptop", "--json"]);
    const snapshots = jsonLines(stdout);
    expect(snapshots.map(({ name, status }) => [name, status])).toEqual([
      ["laptop", "complete"],
      ["laptop", "complete"],
    ]);
    for (const { dataPath } of snapshots) expect(existsSync(String(dataPath))).toBe(true);
  });

  // It ended with a stack; so did a server whose log lay on a disk that ran full.
  it("says in one line that its output cannot be written", async () => {
    const through = ["sh", "-c", 'exec "$@" >/dev/full', "sh"];
    const { code, stderr } = await runDialhome(["snapshots", host.store], { through });
    expect(code).toBe(1);
    expect(oneLine(stderr)).toBe(
      "dialhome: cannot write to standard output: no space left on device",
    );
  });

  it("says in one line that there is no such machine or store", async () => {
    const machine = await callDialhome(["snapshots", host.store, "desktop"]);
    expect([machine.code, oneLine(machine.stderr)]).toEqual([
      1,
      'dialhome: the store has no machine "desktop"',
    ]);
    const missing = await callDialhome(["snapshots", folder.at("none")]);
    expect(missing.code).toBe(1);
    expect(oneLine(missing.stderr)).toMatch(/the store .*none does not exist/);
    const foreign = await callDialhome(["snapshots", source]);
    expect(foreign.code).toBe(1);
    expect(oneLine(foreign.stderr)).toMatch(/is no dialhome store/);
  });
});

describe("dialhome restore", () => {
  it("gives back a file as it was, and never over another", async () => {
    const [first] = await snapshotIds();
    const to = folder.at("found");
    const args = ["restore", host.store, `laptop:${first}`, "etc/fstab", "--to", to];
    const { code, stdout } = await callDialhome(args);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^laptop \S+: 1 file, 6 B restored to /);
    expect(readFileSync(join(to, "etc/fstab"), "utf8")).toBe("first\n");
    expect(existsSync(join(to, "notes"))).toBe(false);

    const again = await callDialhome(args);
    expect(again.code).toBe(1);
    expect(oneLine(again.stderr)).toMatch(/etc\/fstab is there already/);
    writeFileSync(join(to, "etc/fstab"), "mine\n");
    expect((await callDialhome([...args, "--overwrite", "-q"])).stdout).toBe("");
    expect(readFileSync(join(to, "etc/fstab"), "utf8")).toBe("first\n");
  });

  it("gives back everything, from the latest snapshot", async () => {
    const to = folder.at("all");
    const { code, stdout } = await callDialhome([
      "restore",
      host.store,
      "laptop",
      "--to",
      to,
      "--json",
    ]);
    expect(code).toBe(0);
    expect(jsonLines(stdout)).toMatchObject([{ ok: true, files: 2, failures: 0, destination: to }]);
    expect(readdirSync(to).toSorted()).toEqual(["etc", "notes"]);
    expect(readFileSync(join(to, "etc/fstab"), "utf8")).toBe("second, and longer\n");
  });

  it("says in one line what is not there", async () => {
    const restore = async (...args: string[]): Promise<string> => {
      const to = folder.at("nothing");
      const { code, stderr } = await callDialhome(["restore", host.store, ...args, "--to", to]);
      expect(code).toBe(1);
      return oneLine(stderr);
    };
    expect(await restore("desktop")).toMatch(/no machine "desktop"/);
    expect(await restore("laptop:1999")).toMatch(/no snapshot "1999"/);
    expect(await restore("laptop:20")).toMatch(/"20" fits 2 snapshots/);
    expect(await restore("laptop", "etc/passwd")).toMatch(/no "etc\/passwd"/);
    expect(await restore("laptop", "../../etc")).toMatch(/is no path within a snapshot/);
    expect(existsSync(folder.at("nothing", "etc"))).toBe(false);
  });
});

describe("dialhome verify", () => {
  it("finds every snapshot as it was saved", async () => {
    const { code, stdout, stderr } = await callDialhome(["verify", host.store]);
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    expect(stdout.match(/^laptop \S+: as it was saved; 4 entries, \d+ B read$/gm)).toHaveLength(2);
  });

  it("names what differs, and leaves with 3", async () => {
    const { stdout: listed } = await callDialhome(["snapshots", host.store, "laptop", "--json"]);
    const victim = join(String(jsonLines(listed)[0]?.["dataPath"]), "etc/fstab");
    const { atime, mtime } = statSync(victim);
    writeFileSync(victim, "forged");
    utimesSync(victim, atime, mtime);
    const all = await callDialhome(["verify", host.store, "laptop", "--all", "--json"]);
    expect(all.code).toBe(3);
    expect(jsonLines(all.stdout)).toMatchObject([
      {
        ok: false,
        lines: expect.arrayContaining([expect.stringMatching(/etc\/fstab has other content/)]),
      },
      { ok: true, differences: 0 },
    ]);
    const latest = await callDialhome(["verify", host.store, "laptop", "-q"]);
    expect([latest.code, latest.stdout]).toEqual([0, ""]);
    const [first] = await snapshotIds();
    const told = await callDialhome(["verify", host.store, "laptop", String(first)]);
    expect(told.code).toBe(3);
    expect(told.stdout).toMatch(/^laptop \S+: .*etc\/fstab/);
  });
});

describe("dialhome keygen", () => {
  it("makes a key that only its owner reads, and overwrites none", async () => {
    const path = folder.at("new", "key");
    const { code, stdout } = await callDialhome(["keygen", path, "-C", "pi@attic"]);
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ssh-ed25519 \S+ pi@attic\n$/);
    expect(readFileSync(`${path}.pub`, "utf8")).toBe(stdout);
    expect(statSync(path).mode & 0o777).toBe(0o600);
    const before = readFileSync(path, "utf8");
    const again = await callDialhome(["keygen", path]);
    expect(again.code).toBe(1);
    expect(oneLine(again.stderr)).toMatch(/a file is there already/);
    expect(readFileSync(path, "utf8")).toBe(before);
    // `dialhome keygen key > key.pub` left a private key behind, and blamed that.
    writeFileSync(folder.at("half.pub"), "");
    const half = await callDialhome(["keygen", folder.at("half")]);
    expect(half.code).toBe(1);
    expect(oneLine(half.stderr)).toMatch(/half\.pub": a file is there already/);
    expect(existsSync(folder.at("half"))).toBe(false);
  });
});
