// `dialhome tunnel` as a process, against the real sshd.

import { once } from "node:events";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  writeFileSync,
} from "node:fs";
import { connect, createServer } from "node:net";
import { join } from "node:path";
import { expect, it } from "vitest";
import { startDialhome } from "./support/dialhome-cli.ts";
import { describeWithPeers } from "./support/peers.ts";
import { freePort } from "./support/ports.ts";
import { type Ended, type Running, runOk } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { type Sshd, sshKeygen, startSshd } from "./support/ssh-sshd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

/** A user's home directory with what ssh keeps in it, and how a command is run there. */
interface Home extends AsyncDisposable {
  readonly folder: TempDir;
  start(...args: readonly string[]): Running;
  run(...args: readonly string[]): Promise<Ended>;
}

function homeFor(sshd: Sshd, files: Readonly<Record<string, string>> = {}): Home {
  const folder = tempDir();
  mkdirSync(folder.at(".ssh"), { mode: 0o700 });
  const config = `Host gate
  HostName 127.0.0.1
  Port ${sshd.port}
  User ${sshd.user}
  IdentityFile ${sshd.clientKey.privatePath}
  IdentitiesOnly yes
  UserKnownHostsFile ${sshd.knownHostsPath}
`;
  for (const [name, text] of Object.entries({ config, ...files })) {
    writeFileSync(folder.at(".ssh", name), text, { mode: 0o600 });
  }
  const env = { HOME: folder.path, XDG_STATE_HOME: undefined, SSH_AUTH_SOCK: undefined };
  const start: Home["start"] = (...args) =>
    startDialhome(["tunnel", ...args], { env, cwd: folder.path });
  return {
    folder,
    start,
    run: (...args) => start(...args).ended,
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}

async function greetingOf(port: number): Promise<string> {
  const socket = connect({ port, host: "127.0.0.1", allowHalfOpen: true });
  socket.end();
  return (await readToEnd(socket)).slice(0, 8);
}

describeWithPeers(["sshd", "ssh-keygen"], "dialhome tunnel", () => {
  it("--json tells each change, and the ports that were chosen", async () => {
    await using sshd = await startSshd();
    await using home = homeFor(sshd);
    await using tunnel = home.start(
      "--json",
      "--backoff-max",
      "0.1",
      "-R",
      `0:127.0.0.1:${sshd.port}`,
      "-L",
      `0:127.0.0.1:${sshd.port}`,
      "-L",
      `/${home.folder.path}/in.sock:127.0.0.1:${sshd.port}`,
      "gate",
    );
    await tunnel.waitFor("stdout", /"event":"up"/);
    const up: { forwardings: { kind: string; spec: string; port?: number; target: string }[] } =
      JSON.parse(tunnel.stdout.split("\n")[1] ?? "");
    const target = `127.0.0.1:${sshd.port}`;
    expect(up.forwardings).toEqual([
      { kind: "remote", spec: expect.any(String), port: expect.any(Number), target },
      { kind: "local", spec: expect.any(String), port: expect.any(Number), target },
      { kind: "local", spec: `/${home.folder.path}/in.sock:${target}`, target },
    ]);
    for (const { port, spec } of up.forwardings.slice(0, 2)) {
      expect(spec).toBe(`${port}:${target}`);
      expect(await greetingOf(port ?? 0)).toBe("SSH-2.0-");
    }
    sshd.dropConnections();
    await tunnel.waitFor("stdout", /"event":"up".*\n(.*\n)*.*"event":"up"/);
    tunnel.child.kill("SIGTERM");
    const { code, stdout, stderr } = await tunnel.ended;
    expect({ code, stderr }).toEqual({ code: 0, stderr: "" });
    const lines = stdout
      .trim()
      .split("\n")
      .map((line): Record<string, unknown> => JSON.parse(line));
    expect(lines.map(({ event }) => event)).toEqual([
      "connecting",
      "up",
      "waiting",
      "connecting",
      "up",
      "closed",
    ]);
    expect(lines[0]).toMatchObject({
      host: "127.0.0.1",
      port: sshd.port,
      user: sshd.user,
      tries: 0,
    });
    expect(lines[2]).toMatchObject({ code: "ERR_SSH_ENDPOINT_CONNECTION_LOST", tries: 1 });
  });

  it("tells a person the forwardings on standard output and the rest on standard error", async () => {
    await using sshd = await startSshd();
    await using home = homeFor(sshd, {
      also: `RemoteForward 0 127.0.0.1:${sshd.port}\nInclude ~/.ssh/config\n`,
    });
    await using tunnel = home.start("-F", ".ssh/also", "gate");
    await tunnel.waitFor("stderr", /connected to/);
    const [, port = ""] = await tunnel.waitFor("stdout", /^-R (\d+):127\.0\.0\.1:\d+\n$/);
    expect(await greetingOf(Number(port))).toBe("SSH-2.0-");
    await sshd.stop();
    await tunnel.waitFor("stderr", /: .*; next try in \d+\.\d s\n/);
    tunnel.child.kill("SIGINT");
    const { code, stderr } = await tunnel.ended;
    expect(code).toBe(0);
    expect(stderr.split("\n").filter((line) => !/^dialhome: |^$/.test(line))).toEqual([]);
  });

  it("what no other try can help ends it, with a code and one line of its own", async () => {
    await using sshd = await startSshd();
    const other = await sshKeygen(join(sshd.folder, "other"), "ed25519");
    const exposed = join(sshd.folder, "exposed");
    writeFileSync(exposed, readFileSync(sshd.clientKey.privatePath));
    chmodSync(exposed, 0o644);
    await using home = homeFor(sshd, {
      none: "",
      exposed: `Host gate\n  HostName 127.0.0.1\n  Port ${sshd.port}\n  IdentityFile ${exposed}\n`,
      changed: `[127.0.0.1]:${sshd.port} ${other.publicLine}\n`,
    });
    const forward = ["-R", "0:localhost:22"];
    // Both loopback addresses: sshd says yes as soon as it has one of them.
    const squatter = createServer().listen(0, "::");
    await once(squatter, "listening");
    const address = squatter.address();
    const taken = typeof address === "object" && address !== null ? address.port : 0;
    const [refused, unknown, changed, pinned, nobody, inUse, exposedKey, exposedByConfig] =
      await Promise.all([
        home.run(
          "-q",
          ...forward,
          "-o",
          "IdentityFile=none",
          "-i",
          other.privatePath,
          "-F",
          "none",
          "-p",
          `${sshd.port}`,
          "--known-hosts",
          sshd.knownHostsPath,
          `${sshd.user}@127.0.0.1`,
        ),
        home.run("-q", ...forward, "--known-hosts", ".ssh/none", "gate"),
        home.run("-q", ...forward, "--known-hosts", ".ssh/changed", "--accept-new", "gate"),
        home.run("-q", ...forward, "--host-key-fingerprint", `SHA256:${"A".repeat(43)}`, "gate"),
        home.run(
          "-q",
          ...forward,
          "--once",
          "-o",
          `Port ${await freePort()}`,
          "-o",
          "HostKeyAlias x",
          "gate",
        ),
        home.run("-q", "-R", `${taken}:localhost:22`, "--once", "gate"),
        home.run("-q", ...forward, "-F", "none", "-i", exposed, "gate"),
        home.run("-q", ...forward, "-F", ".ssh/exposed", "gate"),
      ]);
    squatter.close();
    const nothing = await home.run("gate");
    expect(nothing.code).toBe(2);
    expect(nothing.stderr).toMatch(/^dialhome: nothing is forwarded: give -R or -L/);
    const ends = {
      refused,
      unknown,
      changed,
      pinned,
      nobody,
      inUse,
      exposedKey,
      exposedByConfig,
    };
    expect(Object.entries(ends).map(([name, { code }]) => [name, code])).toEqual([
      ["refused", 77],
      ["unknown", 76],
      ["changed", 76],
      ["pinned", 76],
      ["nobody", 255],
      ["inUse", 255],
      ["exposedKey", 1],
      ["exposedByConfig", 1],
    ]);
    for (const { stdout, stderr } of Object.values(ends)) {
      expect(stdout).toBe("");
      expect(stderr).toMatch(/^dialhome: [^\n]+\n$/);
    }
    expect(refused.stderr).toMatch(/does not let .* in with .*other/);
    expect(unknown.stderr).toContain(`its host key ${sshd.hostKeyFingerprint}`);
    expect(changed.stderr).toContain(sshd.hostKeyFingerprint);
    expect(changed.stderr.match(/SHA256:/g)).toHaveLength(2);
    expect(nobody.stderr).toContain("ECONNREFUSED");
    expect(inUse.stderr).toContain(`port ${taken}`);
    const tooOpen = `dialhome: ${exposed}: mode 0644 is too open for a private key: it is not used until it is 0600\n`;
    expect([exposedKey.stderr, exposedByConfig.stderr]).toEqual([tooOpen, tooOpen]);
  });

  it("--lock: of twenty that start at once one stays, kill -9 leaves the way free, --stop ends it", {
    timeout: 180_000,
  }, async () => {
    await using sshd = await startSshd();
    await using home = homeFor(sshd);
    const args = ["--lock", "-R", `0:127.0.0.1:${sshd.port}`, "gate"];
    const many = Array.from({ length: 20 }, () => home.start(...args));
    try {
      // All but one have ended when the last but one has.
      const ended: Ended[] = [];
      await new Promise<void>((resolve) => {
        for (const one of many) {
          void (async () => {
            ended.push(await one.ended);
            if (ended.length === many.length - 1) resolve();
          })();
        }
      });
      expect(ended.map(({ code, stdout, stderr }) => `${code}${stdout}${stderr}`)).toEqual(
        ended.map(() => "0"),
      );
      const [left, ...others] = many.filter(({ child }) => child.exitCode === null);
      expect(others).toEqual([]);
      await left?.waitFor("stdout", /^-R \d+:/);
      // Another tunnel to the same place is none of its business.
      await using other = home.start("--lock", "-R", `0:localhost:${sshd.port}`, "gate");
      await other.waitFor("stdout", /^-R \d+:/);
      left?.kill("SIGKILL");
      await left?.ended;
      await using next = home.start(...args);
      await next.waitFor("stdout", /^-R \d+:/);
      const stopped = await home.run("--stop", ...args);
      expect(stopped).toMatchObject({ code: 0, stderr: "", stdout: `ended process ${next.pid}\n` });
      expect((await next.ended).code).toBe(0);
      expect(await home.run("--stop", ...args)).toMatchObject({
        code: 1,
        stderr: "dialhome: no such tunnel runs with --lock\n",
      });
      expect(other.child.exitCode).toBe(null);
      expect(readdirSync(home.folder.at(".local/state/dialhome/locks"))).toHaveLength(2);
    } finally {
      for (const one of many) one.kill("SIGKILL");
      await Promise.all(many.map(({ ended }) => ended));
    }
  });

  it("--print-unit prints a unit that systemd finds nothing wrong with", async () => {
    await using sshd = await startSshd();
    await using home = homeFor(sshd);
    const { code, stdout } = await home.run(
      "--print-unit",
      "-i",
      "key with 100%",
      "-R",
      "2222:localhost:22",
      "-L",
      `${home.folder.path}/x.sock:/run/y.sock`,
      "-L",
      "80:web:80",
      "--lock",
      "me@gate",
    );
    expect(code).toBe(0);
    expect(stdout).toMatch(/^ExecStart=\/\S+ \S+dialhome\.cjs tunnel -R 2222:localhost:22 /m);
    expect(stdout).toContain(`-i "${home.folder.path}/key with 100%%"`);
    expect(stdout).toMatch(
      /^# \* \* \* \* \* \S+ \S+ tunnel --lock --quiet .*'[^']*key with 100\\%' /m,
    );
    const analyze = ["/usr/bin/systemd-analyze", "/bin/systemd-analyze"].find((path) =>
      existsSync(path),
    );
    if (analyze === undefined) return;
    const path = home.folder.at("tunnel.service");
    writeFileSync(path, stdout);
    expect(await runOk(analyze, ["verify", "--man=no", path])).toBe("");
  });
});
