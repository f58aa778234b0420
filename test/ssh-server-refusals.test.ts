// Everything that our server does not do, tried with the real ssh, scp and sftp.
import { once } from "node:events";
import { existsSync } from "node:fs";
import { connect } from "node:net";
import { connectSsh } from "@dialhome/ssh-endpoint";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { freePort, waitForPort } from "./support/ports.ts";
import { type Ended, run, runOk, start } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { sshKeygen } from "./support/ssh-sshd.ts";
import { startTunnelServer, type TestTunnelServer } from "./support/ssh-tunnel-server.ts";

const DESTINATION = "tun@127.0.0.1";

/** A server whose only service is a shell that says one line and ends: more can be asked for than is there. */
async function startShellServer(): Promise<TestTunnelServer> {
  return startTunnelServer({
    onShell: (channel) => {
      channel.resume();
      channel.write("the shell\n");
      channel.exitWith(0);
    },
  });
}

async function ssh(
  server: TestTunnelServer,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<Ended> {
  return run(requirePeer("ssh"), [...server.sshArgs, ...args], { env });
}

describeWithPeers(["ssh", "ssh-keygen"], "a server without sessions, tried with ssh", () => {
  it("refuses a shell", async () => {
    await using server = await startTunnelServer();
    const { code, stderr, stdout } = await ssh(server, [DESTINATION]);
    expect(code).toBe(255);
    expect(stdout).toBe("");
    expect(stderr).toContain("administratively prohibited: sessions are not offered here");
    expect(server.refusals).toEqual(["session: sessions are not offered here"]);
  });

  it("refuses a command", async () => {
    await using server = await startTunnelServer();
    const { code, stdout } = await ssh(server, [DESTINATION, "id"]);
    expect({ code, stdout }).toEqual({ code: 255, stdout: "" });
  });

  it("refuses a remote forwarding where none is offered, and the connection is over", async () => {
    await using server = await startTunnelServer({ bind: false, keepRefused: true });
    const { code, stderr } = await ssh(server, [
      "-N",
      "-o",
      "ExitOnForwardFailure=yes",
      "-R",
      "0:127.0.0.1:1",
      DESTINATION,
    ]);
    expect(code).toBe(255);
    expect(stderr).toMatch(/remote port forwarding failed/i);
  });
});

describeWithPeers(
  ["ssh", "ssh-keygen"],
  "a server whose only session is a shell, tried with ssh",
  () => {
    it("names the signatures that it verifies, none with SHA-1, and a modern handshake", async () => {
      await using server = await startShellServer();
      const { stderr } = await ssh(server, ["-v", DESTINATION]);
      expect(stderr).toContain(
        "server-sig-algs=<ssh-ed25519,ecdsa-sha2-nistp256,ecdsa-sha2-nistp384,ecdsa-sha2-nistp521,rsa-sha2-512,rsa-sha2-256>",
      );
      expect(stderr).toMatch(/Remote protocol version 2\.0, remote software version dialhome\s/);
      expect(stderr).toMatch(/kex: algorithm: curve25519-sha256/);
      expect(stderr).toMatch(/compression: none/);
    });

    it("gives the shell", async () => {
      await using server = await startShellServer();
      const { code, stdout } = await ssh(server, [DESTINATION]);
      expect({ code, stdout }).toEqual({ code: 0, stdout: "the shell\n" });
      expect(server.refusals).toEqual([]);
    });

    it("refuses a command", async () => {
      await using server = await startShellServer();
      const { code, stdout, stderr } = await ssh(server, [DESTINATION, "id"]);
      expect({ code, stdout }).toEqual({ code: 255, stdout: "" });
      expect(stderr).toContain("exec request failed");
      expect(server.refusals).toEqual(["session request exec: not offered"]);
    });

    it("refuses a terminal", async () => {
      await using server = await startShellServer();
      const { code, stderr } = await ssh(server, ["-tt", DESTINATION]);
      expect(code).toBe(255); // with -tt ssh gives up without one
      expect(stderr).toContain("PTY allocation request failed");
      expect(server.refusals).toContain("session request pty-req: not offered");
    });

    it("refuses environment variables", async () => {
      await using server = await startShellServer();
      await ssh(server, ["-o", "SetEnv=A=1", "-o", "SendEnv=B", DESTINATION], { B: "2" });
      expect(
        server.refusals.filter((line) => line === "session request env: not offered"),
      ).toHaveLength(2);
    });

    it("refuses X11", async () => {
      await using server = await startShellServer();
      const { stderr } = await ssh(server, ["-Y", DESTINATION], { DISPLAY: "127.0.0.1:99" });
      expect(stderr).toContain("X11 forwarding request failed");
      expect(server.refusals).toContain("session request x11-req: not offered");
    });

    it("refuses subsystems", async () => {
      await using server = await startShellServer();
      const { code, stderr } = await ssh(server, ["-s", DESTINATION, "sftp"]);
      expect(code).toBe(255);
      expect(stderr).toContain("subsystem request failed");
    });

    it("refuses direct connections (-W, -J, -L, -L of a unix socket, -D)", async () => {
      await using server = await startShellServer();
      const why = "open failed: administratively prohibited: direct-tcpip is not offered here";
      const direct = await ssh(server, ["-W", `127.0.0.1:${server.port}`, DESTINATION]);
      expect(direct.code).toBe(255);
      expect(direct.stderr).toContain(why);
      // What `-J` makes of itself; it takes no options along.
      const jump = `ProxyCommand=ssh ${server.sshArgs.join(" ")} -W [%h]:%p ${DESTINATION}`;
      const jumped = await ssh(server, ["-o", jump, "behind.example"]);
      expect(jumped.code).toBe(255);
      expect(jumped.stderr).toContain(why);

      const port = await freePort();
      const socks = await freePort();
      const sockets = await freePort();
      await using client = start(requirePeer("ssh"), [
        ...server.sshArgs,
        "-N",
        "-L",
        `${port}:127.0.0.1:${server.port}`,
        "-L",
        `${sockets}:/run/docker.sock`,
        "-D",
        String(socks),
        DESTINATION,
      ]);
      await Promise.all([port, socks, sockets].map((one) => waitForPort(one)));
      expect(await readToEnd(connect(sockets, "127.0.0.1"))).toBe("");
      await client.waitFor("stderr", /prohibited: direct-streamlocal@openssh\.com is not offered/);
      const socket = connect(port, "127.0.0.1");
      expect(await readToEnd(socket)).toBe(""); // no greeting of our server comes back
      const proxy = connect(socks, "127.0.0.1");
      await once(proxy, "connect");
      proxy.write(Buffer.from([5, 1, 0]));
      await once(proxy, "data");
      proxy.write(Buffer.from([5, 1, 0, 1, 127, 0, 0, 1, server.port >> 8, server.port & 0xff]));
      const answer = await readToEnd(proxy);
      expect(answer).not.toContain("SSH-2.0");
      expect(client.stderr).toContain("administratively prohibited");
      expect(server.refusals).toContain("channel direct-tcpip: not offered");
    });

    it("refuses forwarded unix sockets", async () => {
      await using server = await startShellServer();
      const path = server.folder.at("remote.sock");
      const streams = await ssh(server, [
        "-N",
        "-o",
        "ExitOnForwardFailure=yes",
        "-R",
        `${path}:127.0.0.1:1`,
        DESTINATION,
      ]);
      expect(streams.code).toBe(255);
      expect(existsSync(path)).toBe(false);
      expect(server.refusals).toContain(`forwarding of ${path}: unix sockets are not offered here`);
    });

    it.skipIf(!existsSync("/dev/net/tun"))("refuses tun devices", async () => {
      await using server = await startShellServer();
      const args = ["-N", "-w", "any:any", "-o", "ExitOnForwardFailure=yes", DESTINATION];
      const { code, stderr } = await ssh(server, args);
      expect(code).toBe(255);
      expect(stderr).toContain("prohibited: tun@openssh.com is not offered here");
    });

    it.each([
      ["expired", (key: string) => `expiry-time="20200101" ${key}`, "entry expired"],
      ["from elsewhere", (key: string) => `from="192.0.2.7" ${key}`, "not from a permitted host"],
      ["with an option that is none", (key: string) => `frobnicate ${key}`, "unknown key option"],
    ])("tells who holds a key %s why it is not let in", async (_name, line, why) => {
      await using server = await startTunnelServer({ line });
      const { code, stderr } = await ssh(server, ["-N", DESTINATION]);
      expect(code).toBe(255);
      expect(stderr).toMatch(new RegExp(`^this key is not let in: .*${why}`, "m"));
      expect(stderr).toContain("Permission denied (publickey)");
      const { port, clientKey } = server;
      const to = { host: "127.0.0.1", port, user: "tun" };
      const auth = { privateKeyPath: clientKey.privatePath };
      const hostKey = { fingerprints: server.server.fingerprints };
      await expect(connectSsh({ ...to, auth, hostKey })).rejects.toMatchObject({
        code: "ERR_SSH_ENDPOINT_AUTHENTICATION",
        message: expect.stringContaining(why),
      });
      // Who only has the public half is told no more than of a good key: that it may be shown.
      const other = await sshKeygen(server.folder.at("other"), "ed25519");
      const stranger = connectSsh({ ...to, auth: { privateKeyPath: other.privatePath }, hostKey });
      await expect(stranger).rejects.toThrow(/does not let tun in with .* \(SHA256:[^)]*\)$/);
    });

    it("refuses passwords: public keys are all that it names", async () => {
      await using server = await startShellServer();
      const { code, stderr } = await ssh(server, [
        "-o",
        "PreferredAuthentications=password,keyboard-interactive",
        DESTINATION,
      ]);
      expect(code).toBe(255);
      expect(stderr).toContain("Permission denied (publickey)");
    });
  },
);

describeWithPeers(["ssh", "ssh-keygen", "ssh-agent", "ssh-add"], "agent forwarding", () => {
  it("is refused", async () => {
    await using server = await startShellServer();
    const socket = server.folder.at("agent.sock");
    await using agent = start(requirePeer("ssh-agent"), ["-D", "-a", socket]);
    await agent.waitFor("stdout", /SSH_AUTH_SOCK/);
    const env = { SSH_AUTH_SOCK: socket };
    await runOk(requirePeer("ssh-add"), ["-q", server.clientKey.privatePath], { env });
    const args = server.sshArgs.map((arg) =>
      arg === "IdentityAgent=none" ? `IdentityAgent=${socket}` : arg,
    );
    const { stdout } = await run(requirePeer("ssh"), [...args, "-A", DESTINATION], { env });
    expect(stdout).toBe("the shell\n");
    expect(server.refusals).toContain("session request auth-agent-req@openssh.com: not offered");
  });
});

/** The arguments as scp and sftp write them. */
function programArgs(server: TestTunnelServer): string[] {
  return server.sshArgs.map((arg) => (arg === "-p" ? "-P" : arg));
}

describeWithPeers(["ssh", "scp", "sftp", "ssh-keygen"], "file transfer", () => {
  it("scp is refused, in its old and its new protocol", async () => {
    await using server = await startShellServer();
    for (const protocol of ["-O", "-s"]) {
      const { code, stderr } = await run(requirePeer("scp"), [
        protocol,
        ...programArgs(server),
        server.authorizedKeysPath,
        `${DESTINATION}:${server.folder.at("copied")}`,
      ]);
      expect(code).not.toBe(0);
      expect(stderr).toMatch(/(exec|subsystem) request failed/);
    }
    expect(existsSync(server.folder.at("copied"))).toBe(false);
    expect(server.refusals).toEqual([
      "session request exec: not offered",
      "session request subsystem: not offered",
    ]);
  });

  it("sftp is refused", async () => {
    await using server = await startShellServer();
    const { code, stderr } = await run(requirePeer("sftp"), [
      ...programArgs(server),
      "-b",
      "/dev/null",
      DESTINATION,
    ]);
    expect(code).not.toBe(0);
    expect(stderr).toContain("subsystem request failed");
    expect(server.refusals).toEqual(["session request subsystem: not offered"]);
  });
});
