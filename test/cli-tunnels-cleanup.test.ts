// dialhome tunnels-cleanup on a host where the real sshd takes the tunnels of the real ssh.
import { chmodSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { findTunnelSessions } from "@dialhome/ssh-reverse";
import { beforeAll, expect, it } from "vitest";
import { runDialhome } from "./support/dialhome-cli.ts";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { freePort } from "./support/ports.ts";
import { type Running, start } from "./support/processes.ts";
import { type Sshd, sshArguments, startSshd } from "./support/ssh-sshd.ts";
import { makeSystemUsers } from "./support/system-users.ts";

/** One line of `--json`. */
interface Line {
  readonly user: string;
  readonly pid: number;
  readonly listeners: readonly string[];
  readonly verdict: string;
  readonly ended?: boolean;
}

/** `ssh -N` of a user with its forwardings, up when this resolves. */
async function openSsh(sshd: Sshd, user: string, ...forwards: readonly string[]): Promise<Running> {
  const keyPath = sshd.clientKey.privatePath;
  const { port, knownHostsPath } = sshd;
  const ssh = start(requirePeer("ssh"), [
    ...sshArguments({ keyPath, port, knownHostsPath }),
    "-v",
    "-N",
    ...forwards.flatMap((forward) => ["-R", forward]),
    `${user}@127.0.0.1`,
  ]);
  await ssh.waitFor("stderr", /Authenticated to /);
  if (forwards.length > 0) await ssh.waitFor("stderr", /Allocated port \d+ for remote forward/);
  return ssh;
}

/** Waits until sshd has as many logins of these users, as our own look sees them: a foreign program tells nobody. */
async function untilLogins(prefix: string, count: number): Promise<void> {
  const look = async (): Promise<number> =>
    (await findTunnelSessions({ prefix, probeTimeoutMs: 1 })).length;
  while ((await look()) !== count);
}

async function cleanup(
  ...args: readonly string[]
): Promise<{ code: number | null; lines: Line[]; stderr: string }> {
  const { code, stdout, stderr } = await runDialhome([
    "tunnels-cleanup",
    "--json",
    "--min-age=0",
    ...args,
  ]);
  const lines = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as Line);
  return { code, lines, stderr };
}

const byVerdict = (lines: readonly Line[]): string[] =>
  lines.map(({ user, verdict }) => `${user.replace(/^.*-/, "")} ${verdict}`).toSorted();

describeWithPeers(
  ["root", "ssh", "sshd", "ssh-keygen", "useradd", "userdel"],
  "dialhome tunnels-cleanup",
  () => {
    let closedPort: number;
    beforeAll(async () => {
      closedPort = await freePort();
    });

    it("tells dead tunnels from living ones, and ends the dead alone", {
      timeout: 90_000,
    }, async () => {
      await using users = await makeSystemUsers(["tun-a", "tun-b", "other"]);
      await using sshd = await startSshd({ config: ["StreamLocalBindMask 0111"] });
      chmodSync(sshd.folder, 0o755);
      chmodSync(join(sshd.folder, "authorized_keys"), 0o644);
      const sockets = join(sshd.folder, "sockets");
      mkdirSync(sockets);
      chmodSync(sockets, 0o777);
      const a = users.nameOf("tun-a");
      const b = users.nameOf("tun-b");
      const other = users.nameOf("other");
      const greeting = `127.0.0.1:${sshd.port}`;
      const gone = `127.0.0.1:${closedPort}`;

      await using healthy = await openSsh(sshd, a, `0:${greeting}`);
      // One of its two answers: it has something to live for.
      await using half = await openSsh(sshd, b, `${sockets}/half:${greeting}`, `0:${gone}`);
      await using farEndGone = await openSsh(sshd, b, `0:${gone}`);
      await using withoutListener = await openSsh(sshd, a);
      await using stopped = await openSsh(sshd, b, `0:${greeting}`);
      await using stuck = await openSsh(sshd, a, `0:${gone}`);
      await using foreign = await openSsh(sshd, other, `0:${gone}`);
      await using ofRoot = await openSsh(sshd, sshd.user);
      const prefix = `${users.prefix}tun-`;
      await untilLogins(prefix, 6);

      const first = await findTunnelSessions({ prefix, probeTimeoutMs: 1 });
      const stuckPort = /Allocated port (\d+)/.exec(stuck.stderr)?.[1];
      const stuckPid = first.find(({ listeners }) =>
        listeners.some((listener) => listener.endsWith(`:${stuckPort}`)),
      )?.pid;
      stopped.kill("SIGSTOP");
      process.kill(stuckPid ?? -1, "SIGSTOP"); // does not follow a SIGTERM any more

      // Listed only.
      const listed = await cleanup(prefix);
      expect(listed.code).toBe(3);
      const dead = ["a no-listener", "a silent", "b silent", "b silent"];
      expect(byVerdict(listed.lines)).toEqual(["a alive", ...dead, "b alive"].toSorted());
      expect(new Set(listed.lines.map(({ pid }) => pid))).toEqual(
        new Set(first.map(({ pid }) => pid)),
      );

      // Ended.
      const killed = await cleanup("--kill", "--sessions", prefix);
      expect(killed.stderr).toMatch(/^(dialhome: logind: [^\n]+\n)?$/);
      expect(byVerdict(killed.lines)).toEqual(dead.toSorted());
      expect(killed.lines.every(({ ended }) => ended === true)).toBe(true);
      expect(killed.code).toBe(0);
      stopped.kill("SIGCONT");
      for (const ssh of [farEndGone, withoutListener, stopped, stuck]) {
        expect((await ssh.ended).code).toBe(255);
      }

      // And nothing else: the living, another user's dead one, root's login, and the sshd itself.
      const after = await cleanup("--kill", prefix);
      expect(after).toMatchObject({ code: 0, lines: [], stderr: "" });
      expect(byVerdict((await cleanup(prefix)).lines)).toEqual(["a alive", "b alive"]);
      for (const ssh of [healthy, half, foreign, ofRoot]) expect(ssh.child.exitCode).toBeNull();
      expect((await cleanup(other)).lines).toHaveLength(1);
      expect(await cleanup("--kill", sshd.user)).toMatchObject({ code: 0, lines: [] });
      await using again = await openSsh(sshd, a, `0:${greeting}`);
      expect(again.child.exitCode).toBeNull();

      // Who is not root is told so, and can end nothing.
      const nobody = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"];
      const args = ["tunnels-cleanup", "--kill", "--min-age=0", users.prefix];
      const powerless = await runDialhome(args, { through: nobody });
      expect(powerless.code).toBe(1);
      expect(powerless.stdout).toBe("");
      expect(powerless.stderr).toMatch(
        /^dialhome: the sockets of \d of \d logins cannot be seen[^\n]*\n$/,
      );
      expect(foreign.child.exitCode).toBeNull();
    });
  },
);
