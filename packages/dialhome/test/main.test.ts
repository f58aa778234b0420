import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import { COMMANDS } from "../src/command-table.ts";
import { main } from "../src/main.ts";
import { VERSION } from "../src/version.ts";
import { memoryIo } from "./support/memory-io.ts";

test("the version is that of the package", async () => {
  const manifest: unknown = JSON.parse(
    readFileSync(new URL("../package.json", import.meta.url), "utf8"),
  );
  expect(manifest).toMatchObject({ version: VERSION });
  const io = memoryIo();
  expect(await main(["--version"], io)).toBe(0);
  expect(io.written.stdout).toBe(`dialhome ${VERSION}\n`);
});

test.each([[[]], [["--help"]], [["-h"]]])("%j shows every command", async (argv) => {
  const io = memoryIo();
  expect(await main(argv, io)).toBe(0);
  for (const { name, summary } of COMMANDS.filter((row) => !row.name.includes(" "))) {
    expect(io.written.stdout).toMatch(new RegExp(`^ +${name} +${summary.slice(0, 20)}`, "m"));
  }
  expect(io.written.stderr).toBe("");
});

test.each(COMMANDS.map(({ name }) => name))("%s explains itself, with an example", async (name) => {
  const io = memoryIo();
  expect(await main([...name.split(" "), "--help"], io)).toBe(0);
  expect(io.written.stdout).toContain(`Usage: dialhome ${name}`);
  expect(io.written.stdout).toMatch(/Example.*:/);
  expect(io.written.stderr).toBe("");
});

test.each([
  [["nonsense"], /unknown command 'nonsense'; see dialhome --help/],
  [["backup"], /missing required argument 'host'; see dialhome backup --help/],
  [["backup", "h", "/", "--nonsense"], /unknown option '--nonsense'; see dialhome backup --help/],
  [["backup", "h", "/", "-t", "soon"], /it takes a number of seconds/],
  [["backup", "h:1", "/", "-p", "2"], /port 1 in "h:1", but 2 in --port/],
  [["backup", "h", "/", "-n", "a", "--name-rpi"], /only one of --name, --name-file and --name-rpi/],
  [["backup", "h", "/", "-n", "a", "--nice", "very"], /priority "very" is not of the form/],
  [["backup", "h", "/", "--agent"], /SSH_AUTH_SOCK names none/],
  [["tunnel"], /missing required argument 'destination'/],
  [["tunnel", "h", "-R", "1080"], /-R "1080": SOCKS .* is not offered/],
  [["tunnel", "h", "-L", "1080"], /-L "1080": SOCKS .* is not offered/],
  [["tunnel", "h", "-L", "x:y:z"], /-L "x:y:z": "x" is no port/],
  [["tunnel", "h", "-D", "1080"], /unknown option '-D'/],
  [["tunnel", "h:1", "-p", "2", "-R", "1:h:2"], /port 1 in "h:1", but 2 in --port/],
  [["tunnel", "h", "-R", "1:h:2", "-o", "ForwardX11=yes"], /ForwardX11 is not offered/],
  [["tunnel", "h", "-R", "1:h:2", "-o", "ExitOnForwardFailure no"], /always ends the connection/],
  [["tunnel", "h", "-R", "1:h:2", "-o", "x"], /not of the form key=value/],
  [["tunnel", "h", "-R", "1:h:2", "--alive-count", "0"], /a whole number from 1/],
  [["tunnel", "h", "-R", "1:h:2", "--accept-new", "--host-key-fingerprint", "x"], /makes no sense/],
  [["backup-host"], /the directory of the snapshots is missing/],
  [["backup-host", "d"], /--authorized-keys FILE is missing/],
  [["backup-host", "d", "--authorized-keys", "k", "--listen", "x"], /"x" is not of the form/],
  [["backup-host", "d", "--authorized-keys", "k", "-x", "nix:y"], /there is no point "nix"/],
  [["backup-host", "d", "--authorized-keys", "k", "-x", "script.done:"], /no program behind/],
  [["receive"], /the directory of the snapshots is missing/],
  [["receive", "d", "--key-fingerprint", "short"], /--key-fingerprint short/],
  [["verify", "d", "--all"], /--all goes with a machine/],
  [["restore", "d", "m"], /required option '--to <dest>' not specified/],
  [["rsyncd"], /--module NAME=PATH or --config FILE is missing/],
  [["rsyncd", "--module", "x"], /module "x" is not of the form name=path/],
  [["rsyncd", "--module", "x=y", "--auth-user", "me"], /go together/],
  [["completion", "csh"], /none of bash, zsh and fish/],
])("%j is a mistake: one line, exit code 2", async (argv, line) => {
  const io = memoryIo();
  expect(await main(argv, io)).toBe(2);
  expect(io.written.stderr).toMatch(/^dialhome: [^\n]+\n$/);
  expect(io.written.stderr).toMatch(line);
  expect(io.written.stdout).toBe("");
});

test.each(["backup-host", "receive"])("%s lists the points of hooks", async (name) => {
  const io = memoryIo();
  expect(await main([name, "--hook-list"], io)).toBe(0);
  for (const point of [
    "script.start",
    "script.handshake",
    "rsync.pre",
    "rsync.done",
    "script.done",
  ])
    expect(io.written.stdout).toContain(`  ${point}\n`);
});

test("receive prints what sshd needs, with the store quoted for the shell", async () => {
  const io = memoryIo();
  expect(await main(["receive", "--print-sshd-config", "/srv/my backups"], io)).toBe(0);
  expect(io.written.stdout).toContain("ForceCommand dialhome receive '/srv/my backups'\n");
  expect(io.written.stdout).toContain("ExposeAuthInfo yes");
});

test("receive refuses when nobody says which key logged in", async () => {
  const io = memoryIo();
  expect(await main(["receive", "/srv/backups"], io)).toBe(1);
  expect(io.written.stderr).toMatch(/^dialhome: .*ExposeAuthInfo yes.*--key-fingerprint.*\n$/);
});
