import {
  chmodSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname } from "node:path";
import { expect, test } from "vitest";
import { treeDifferences } from "./support/compare-trees.ts";
import { startDialhome } from "./support/dialhome-cli.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { freePort, waitForPort } from "./support/ports.ts";
import { run, runOk, start } from "./support/processes.ts";
import { tempDir } from "./support/temp-dir.ts";

/** A configuration that both daemons take; `DIR` and `WHO` are filled in. */
const CONFIGURATION = `
motd file = DIR/motd
pid file = DIR/WHO.pid
reverse lookup = no
log file = DIR/WHO.log
lock file = DIR/WHO.lock
use chroot = no
munge symlinks = no
uid = root
gid = root
[shown]
  path = DIR/src
  comment = what it is
  filter = - /hidden/*** + keep.o
  exclude = *.o /a/deep
  exclude from = DIR/leave-out
  refuse options = c *-devices
  transfer logging = yes
  log format = %o %a %m (%u) %f %l %-6l|
  timeout = 60
[secret place]
  path = DIR/src
  auth users = joe:deny, @no-such-group:deny, susan, sam
  secrets file = DIR/secrets
[strong]
  path = DIR/src
  auth users = susan
  secrets file = DIR/secrets
  auth digest = sha1
[denied]
  path = DIR/src
  hosts deny = 127.0.0.0/8
[denied-hidden]
  path = DIR/src
  hosts allow = 192.0.2.1 ::1
  list = no
[allowed]
  path = DIR/src
  hosts allow = 127.0.0.0/255.0.0.255, 127.0.0.1
  hosts deny = *
[off]
  path = DIR/src
  max connections = -1
[munged]
  path = DIR/munged
  munge symlinks = yes
[gone]
  path = DIR/nowhere
`;

/** Options and a path behind the address; the password is `word`. */
const CASES: readonly (readonly [options: string, path: string])[] = [
  ["", ""],
  ["-ai", "shown/"],
  ["-ai", "shown/hidden/x"],
  ["-ai --ignore-missing-args", "shown/none"],
  ["-ai", "secret place/a"],
  ["-ai", "susan@secret place/a"],
  ["-ai", "joe@secret place/a"],
  ["-ai", "sam@secret place/a"],
  ["-ai", "susan@strong/a"],
  ["-ai", "denied/"],
  ["-ai", "denied-hidden/"],
  ["-ai", "allowed/a"],
  ["-ai", "off/"],
  ["-ai", "munged/"],
  ["-ai", "nothing/"],
];

describeWithPeers(["rsync"], "one configuration, two daemons", () => {
  const rsync = requirePeer("rsync");

  test.skipIf(process.getuid?.() !== 0)(
    "clients see the same of dialhome rsyncd and of rsync --daemon",
    async () => {
      await using dir = tempDir();
      for (const folder of ["src/a/deep", "src/hidden", "munged"]) {
        mkdirSync(dir.at(folder), { recursive: true });
      }
      for (const name of ["one", "x.o", "keep.o", "left", "a/two", "a/deep/three", "hidden/x"]) {
        writeFileSync(dir.at("src", name), name);
      }
      symlinkSync("/rsyncd-munged/one", dir.at("munged/link"));
      writeFileSync(dir.at("motd"), "good morning\n");
      writeFileSync(dir.at("leave-out"), "# a comment\nleft\n");
      writeFileSync(dir.at("secrets"), "susan:word\njoe:word\nsam:other\n", { mode: 0o600 });
      for (const who of ["ours", "theirs"]) {
        const text = CONFIGURATION.replaceAll("DIR", dir.path).replaceAll("WHO", who);
        writeFileSync(dir.at(`${who}.conf`), text);
      }
      const port = await freePort();
      await using real = start(rsync, [
        "--daemon",
        "--no-detach",
        "--address=127.0.0.1",
        `--port=${port}`,
        `--config=${dir.at("theirs.conf")}`,
      ]);
      const listen = ["--listen", "127.0.0.1:0"];
      await using ours = startDialhome(["rsyncd", "--config", dir.at("ours.conf"), ...listen]);
      const [, ourPort] = await ours.waitFor("stdout", /on 127\.0\.0\.1:(\d+)/);
      await waitForPort(port);
      expect(readFileSync(dir.at("ours.pid"), "utf8")).toBe(`${ours.pid}\n`);
      expect(real.pid).toBeGreaterThan(0);

      for (const [options, path] of CASES) {
        const pull = async (to: string, at: number | string | undefined): Promise<object> => {
          const at127 = path.includes("@")
            ? path.replace("@", `@127.0.0.1:${at}/`)
            : `127.0.0.1:${at}/${path}`;
          const args = [...options.split(" ").filter(Boolean), `rsync://${at127}`];
          if (path !== "") args.push(dir.at(to, "/"));
          const env = { RSYNC_PASSWORD: "word", USER: "nobody" };
          const { code, stdout, stderr } = await run(rsync, args, { env });
          const said = stderr.split("\n").filter((line) => !/read error|\[sender=/.test(line));
          return {
            options,
            path,
            code,
            stdout: stdout.replaceAll(dir.at(to), "OUT"),
            said: said.map((line) => line.replaceAll('"/', '"')),
          };
        };
        expect(await pull("ours-got", ourPort)).toEqual(await pull("theirs-got", port));
      }
      const refused = await run(rsync, [
        "-ac",
        `rsync://127.0.0.1:${ourPort}/shown/`,
        dir.at("x/"),
      ]);
      expect(refused.stderr).toContain("The server is configured to refuse --checksum (-c)");
      expect(refused.code).toBe(4);
      expect(treeDifferences(dir.at("theirs-got"), dir.at("ours-got"))).toEqual([]);

      // What was sent stands in both logs, line by line.
      const sent = (who: string): string[] =>
        readFileSync(dir.at(`${who}.log`), "utf8")
          .split("\n")
          .map((line) => line.replace(/^.*?\] /, ""))
          .filter((line) => line.startsWith("send "));
      expect(sent("ours")).toEqual(sent("theirs"));
      expect(sent("ours")).toContain("send 127.0.0.1 shown () a/two 5 5     |");
      expect(readFileSync(dir.at("ours.log"), "utf8")).toMatch(/ \[\d+\] 127\.0\.0\.1: denied: /);

      // SIGHUP: another configuration, then a wrong one, which changes nothing.
      const list = (): Promise<string> => runOk(rsync, [`rsync://127.0.0.1:${ourPort}/`]);
      writeFileSync(dir.at("ours.conf"), `[new]\npath = ${dir.at("src")}\n`);
      ours.kill("SIGHUP");
      await ours.waitFor("stderr", /read again: new/);
      expect(await list()).toBe("new            \t\n");
      writeFileSync(dir.at("ours.conf"), "[new]\npath = /\nread only = no\n");
      ours.kill("SIGHUP");
      await ours.waitFor("stderr", /ours\.conf:3: read only = no is not offered/);
      expect(await list()).toBe("new            \t\n");
      ours.kill("SIGTERM");
      expect((await ours.ended).code).toBe(0);
      rmSync(dir.at("ours.conf"));
    },
    120_000,
  );

  test.skipIf(process.getuid?.() !== 0)(
    "what the daemon's user may not read is told, or left out, as by the real one",
    async () => {
      await using dir = tempDir();
      // Another user has to get there.
      chmodSync(dirname(dir.path), 0o711);
      chmodSync(dir.path, 0o755);
      mkdirSync(dir.at("src/closed"), { recursive: true });
      mkdirSync(dir.at(`src/${"deep/".repeat(40)}`), { recursive: true });
      for (const name of ["open", "secret", "closed/inside", `${"deep/".repeat(40)}end`]) {
        writeFileSync(dir.at("src", name), name);
      }
      truncateSync(dir.at("src/open"), 5 * 1024 ** 3);
      chmodSync(dir.at("src/secret"), 0o600);
      chmodSync(dir.at("src/closed"), 0o700);
      // Long ago, so that no destination was made in the same second.
      utimesSync(dir.at("src"), 1_000_000_000, 1_000_000_000);
      const modules = `
use chroot = no
munge symlinks = no
uid = nobody
gid = nogroup
reverse lookup = no
[all]
  path = ${dir.at("src")}
[readable]
  path = ${dir.at("src")}
  ignore nonreadable = yes
[errors]
  path = ${dir.at("src")}
  ignore errors = yes
`;
      writeFileSync(dir.at("ours.conf"), modules);
      const theirs = `log file = ${dir.at("log")}\nlock file = ${dir.at("lock")}\n${modules}`;
      writeFileSync(dir.at("theirs.conf"), theirs);
      const port = await freePort();
      await using _real = start(rsync, [
        "--daemon",
        "--no-detach",
        "--address=127.0.0.1",
        `--port=${port}`,
        `--config=${dir.at("theirs.conf")}`,
      ]);
      const listen = ["--listen", "127.0.0.1:0"];
      await using ours = startDialhome(["rsyncd", "--config", dir.at("ours.conf"), ...listen]);
      const [, ourPort] = await ours.waitFor("stdout", /on 127\.0\.0\.1:(\d+)/);
      await waitForPort(port);
      const status = readFileSync(`/proc/${ours.pid}/status`, "utf8");
      const nobody = (await runOk("id", ["-u", "nobody"])).trim();
      expect(status).toMatch(new RegExp(`^Uid:\\s${nobody}\\s${nobody}\\s${nobody}\\s`, "m"));
      expect(status).not.toMatch(/^Groups:.*\b0\b/m);
      for (const module of ["all", "readable", "errors"]) {
        for (const way of ["--inc-recursive", "--no-inc-recursive"]) {
          const pull = async (at: number | string | undefined): Promise<object> => {
            rmSync(dir.at("out"), { recursive: true, force: true });
            mkdirSync(dir.at("out"));
            // Deleted unless an error is told.
            writeFileSync(dir.at("out/extra"), "");
            const url = `rsync://127.0.0.1:${at}/${module}/`;
            const args = ["-ai", "--delete", "--max-size=1G", way, url, dir.at("out/")];
            const { code, stdout, stderr } = await run(rsync, args);
            const said = stderr.replaceAll('"/', '"').split("\n").toSorted();
            const size = await runOk(rsync, ["--list-only", `${url}open`]);
            return { module, way, code, stdout: stdout.split("\n").toSorted(), said, size };
          };
          const real = await pull(port);
          expect(await pull(ourPort)).toEqual(real);
          expect(real).toMatchObject({ size: expect.stringContaining(" 5,368,709,120 ") });
        }
      }
    },
    120_000,
  );
});
