// Our client against the real sshd.
import { once } from "node:events";
import { appendFileSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { join } from "node:path";
import {
  connectSsh,
  type HostKeyPolicy,
  type SshConnection,
  type SshConnectOptions,
  SshEndpointError,
} from "@dialhome/ssh-endpoint";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk, start } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { type KeyKind, type Sshd, sshKeygen, startSshd } from "./support/ssh-sshd.ts";

async function connectTo(
  sshd: Sshd,
  more: Partial<SshConnectOptions> = {},
): Promise<SshConnection> {
  return connectSsh({
    host: sshd.host,
    port: sshd.port,
    user: sshd.user,
    auth: { privateKeyPath: sshd.clientKey.privatePath },
    hostKey: { knownHosts: [{ path: sshd.knownHostsPath }] },
    ...more,
  });
}

async function failureOf(attempt: Promise<unknown>): Promise<SshEndpointError> {
  try {
    await attempt;
  } catch (error) {
    if (error instanceof SshEndpointError) return error;
    throw error;
  }
  throw new Error("it succeeded");
}

describeWithPeers(["sshd", "ssh-keygen"], "our client against sshd", () => {
  it("runs a command: output, standard error and exit status", async () => {
    await using sshd = await startSshd();
    await using connection = await connectTo(sshd);
    const channel = await connection.execute("cat; echo problem >&2; exit 7");
    channel.end("to and fro");
    const [output, problem, exit] = await Promise.all([
      readToEnd(channel),
      readToEnd(channel.stderr),
      channel.exit,
    ]);
    expect({ output, problem, exit }).toEqual({
      output: "to and fro",
      problem: "problem\n",
      exit: { code: 7, signal: null },
    });
  });

  it("waits for the exit status of a command that has closed its output before", async () => {
    await using sshd = await startSshd();
    await using connection = await connectTo(sshd);
    const channel = await connection.execute("exec >&- 2>&-; sleep 0.2; exit 7");
    channel.end();
    await once(channel.resume(), "end");
    expect(await channel.exit).toEqual({ code: 7, signal: null });
  });

  it("opens a shell, which sshd's ForceCommand replaces, and keeps both directions apart", async () => {
    await using sshd = await startSshd({ config: ["ForceCommand echo hello; cat; echo bye"] });
    await using connection = await connectTo(sshd);
    const shell = await connection.openShell();
    const [first] = await once(shell, "data");
    expect(String(first)).toBe("hello\n");
    shell.end("last words\n");
    expect(await readToEnd(shell)).toBe("last words\nbye\n");
  });

  it("takes a reverse forwarding, with half-close in both directions", async () => {
    await using sshd = await startSshd();
    await using connection = await connectTo(sshd);
    const seen: string[] = [];
    const forwarding = await connection.forward({
      bindPort: 0,
      onChannel: (channel) => {
        void (async () => {
          // The reply is made only after the end of the request: lost where half-close is not kept.
          seen.push(await readToEnd(channel));
          channel.end("the reply");
        })();
      },
    });
    expect(forwarding.port).toBeGreaterThan(0);
    const socket = connect({ port: forwarding.port, host: "127.0.0.1", allowHalfOpen: true });
    socket.end("the request");
    expect(await readToEnd(socket)).toBe("the reply");
    expect(seen).toEqual(["the request"]);

    await forwarding.cancel();
    const refused = connect(forwarding.port, "127.0.0.1");
    await expect(once(refused, "connect")).rejects.toThrow("ECONNREFUSED");
  });

  it("a forwarding that sshd refuses is an error that says so", async () => {
    await using sshd = await startSshd({ config: ["AllowTcpForwarding no"] });
    await using connection = await connectTo(sshd);
    const error = await failureOf(connection.forward({ bindPort: 0, onChannel: () => {} }));
    expect(error.code).toBe("ERR_SSH_ENDPOINT_FORWARD_REFUSED");
    expect(error.message).not.toContain("\n");
  });

  it("connects through sshd (direct-tcpip), and tells when it cannot", async () => {
    await using sshd = await startSshd();
    await using connection = await connectTo(sshd);
    const channel = await connection.openDirect("127.0.0.1", sshd.port);
    const [greeting] = await once(channel, "data");
    expect(String(greeting)).toMatch(/^SSH-2\.0-/);
    channel.destroy();
    const error = await failureOf(connection.openDirect("127.0.0.1", 1));
    expect(error.code).toBe("ERR_SSH_ENDPOINT_CHANNEL_REFUSED");
  });

  it("forwards a unix socket of sshd's machine, and connects to one there", async () => {
    await using sshd = await startSshd();
    await using connection = await connectTo(sshd);
    const path = join(sshd.folder, "there.sock");
    const forwarding = await connection.forward({
      bindPath: path,
      onChannel: (channel) => {
        void (async () => channel.end(`reply to ${await readToEnd(channel)}`))();
      },
    });
    expect(forwarding).toMatchObject({ bindAddress: path, port: 0 });
    const socket = connect({ path, allowHalfOpen: true });
    socket.end("the request");
    expect(await readToEnd(socket)).toBe("reply to the request");

    // Through sshd to the same socket, and so back to us.
    const channel = await connection.openDirectSocket(path);
    channel.end("itself");
    expect(await readToEnd(channel)).toBe("reply to itself");

    const second = await failureOf(connection.forward({ bindPath: path, onChannel: () => {} }));
    expect(second.code).toBe("ERR_SSH_ENDPOINT_FORWARD_REFUSED");
    expect(second.message).toContain(`the socket ${path}; it may be there already`);
    await forwarding.cancel();
    await expect(once(connect(path), "connect")).rejects.toThrow(/ENOENT|ECONNREFUSED/);
    const gone = await failureOf(connection.openDirectSocket(path));
    expect(gone.code).toBe("ERR_SSH_ENDPOINT_CHANNEL_REFUSED");
  });

  it.each(["ed25519", "ecdsa", "rsa"] as KeyKind[])(
    "logs in with %s, plain and encrypted",
    async (kind) => {
      const lines: string[] = [];
      await using sshd = await startSshd({ hostKey: kind });
      const plain = await sshKeygen(join(sshd.folder, "plain"), kind);
      const locked = await sshKeygen(join(sshd.folder, "locked"), kind, "open sesame");
      lines.push(plain.publicLine, locked.publicLine);
      writeFileSync(join(sshd.folder, "authorized_keys"), `${lines.join("\n")}\n`);

      await using first = await connectTo(sshd, { auth: { privateKeyPath: plain.privatePath } });
      expect(first.hostKey.fingerprint).toBe(sshd.hostKeyFingerprint);
      let asked = 0;
      await using second = await connectTo(sshd, {
        auth: {
          privateKeyPath: locked.privatePath,
          passphrase: () => {
            asked++;
            return "open sesame";
          },
        },
      });
      expect(second.hostKey.fingerprint).toBe(sshd.hostKeyFingerprint);
      expect(asked).toBe(1);
      const wrong = await failureOf(
        connectTo(sshd, { auth: { privateKeyPath: locked.privatePath, passphrase: "sesame" } }),
      );
      expect(wrong.code).toBe("ERR_SSH_ENDPOINT_PASSPHRASE");
      const none = await failureOf(
        connectTo(sshd, { auth: { privateKeyPath: locked.privatePath } }),
      );
      expect(none.code).toBe("ERR_SSH_ENDPOINT_PASSPHRASE");
    },
  );

  it("a key that sshd does not know is one clear line", async () => {
    await using sshd = await startSshd();
    const other = await sshKeygen(join(sshd.folder, "other"), "ed25519");
    const error = await failureOf(connectTo(sshd, { auth: { privateKeyPath: other.privatePath } }));
    expect(error.code).toBe("ERR_SSH_ENDPOINT_AUTHENTICATION");
    expect(error.message).toMatch(/does not let .* in with .*other \(SHA256:/);
    expect(error.message).not.toContain("\n");
  });

  it("too many keys: sshd's words reach the caller", async () => {
    await using sshd = await startSshd({ config: ["MaxAuthTries 2"] });
    const keys = await Promise.all(
      [1, 2, 3, 4].map((n) => sshKeygen(join(sshd.folder, `key${n}`), "ed25519")),
    );
    const error = await failureOf(
      connectTo(sshd, { auth: keys.map(({ privatePath }) => ({ privateKeyPath: privatePath })) }),
    );
    expect(error.code).toBe("ERR_SSH_ENDPOINT_AUTHENTICATION");
    expect(error.message).toMatch(/too many authentication failures/i);
  });

  it("nobody listens: one clear line", async () => {
    await using sshd = await startSshd();
    const { port } = sshd;
    await sshd[Symbol.asyncDispose]();
    const error = await failureOf(
      connectSsh({
        host: "127.0.0.1",
        port,
        user: "x",
        auth: { agent: "/nonexistent" },
        hostKey: { insecureAcceptAny: true },
      }),
    );
    expect(error.code).toBe("ERR_SSH_ENDPOINT_CONNECT");
    expect(error.message).toContain("ECONNREFUSED");
  });

  it("an agent that is not there is told", async () => {
    await using sshd = await startSshd();
    const error = await failureOf(connectTo(sshd, { auth: { agent: "/nonexistent/agent" } }));
    expect(error.code).toBe("ERR_SSH_ENDPOINT_AGENT");
  });
});

/** What our client says to an sshd's host key under a policy. */
async function judgedBy(sshd: Sshd, hostKey: HostKeyPolicy): Promise<SshEndpointError | "in"> {
  try {
    await using connection = await connectTo(sshd, { hostKey });
    expect(connection.hostKey.fingerprint).toBe(sshd.hostKeyFingerprint);
    return "in";
  } catch (error) {
    if (error instanceof SshEndpointError) return error;
    throw error;
  }
}

describeWithPeers(["sshd", "ssh-keygen"], "the host key of sshd", () => {
  it("unknown: refused with its fingerprint and the line to add, which then lets in", async () => {
    await using sshd = await startSshd();
    const error = await judgedBy(sshd, { knownHosts: [{ text: "" }] });
    expect(error).toMatchObject({
      code: "ERR_SSH_ENDPOINT_HOST_KEY_UNKNOWN",
      facts: { fingerprint: sshd.hostKeyFingerprint },
    });
    const [, line] = /add: (.+)$/.exec(error === "in" ? "" : error.message) ?? [];
    expect(await judgedBy(sshd, { knownHosts: [{ text: `${line}\n` }] })).toBe("in");
  });

  it("changed: refused with both fingerprints, whatever type the known key has", async () => {
    await using sshd = await startSshd();
    for (const kind of ["ed25519", "rsa"] as const) {
      const other = await sshKeygen(join(sshd.folder, `other_${kind}`), kind);
      const known = other.publicLine.split(" ").slice(0, 2).join(" ");
      const error = await judgedBy(sshd, {
        knownHosts: [{ text: `[127.0.0.1]:${sshd.port} ${known}\n` }],
        acceptNew: { path: join(sshd.folder, "accepted") },
      });
      expect(error).toMatchObject({ code: "ERR_SSH_ENDPOINT_HOST_KEY_CHANGED" });
      const message = error === "in" ? "" : error.message;
      expect(message).toContain(sshd.hostKeyFingerprint);
      expect(message.match(/SHA256:/g)).toHaveLength(2);
    }
  });

  it("revoked: refused though another line knows it", async () => {
    await using sshd = await startSshd();
    const text = `[127.0.0.1]:${sshd.port} ${sshd.hostKeyLine}\n@revoked * ${sshd.hostKeyLine}\n`;
    expect(await judgedBy(sshd, { knownHosts: [{ text }] })).toMatchObject({
      code: "ERR_SSH_ENDPOINT_HOST_KEY_REVOKED",
    });
  });

  it("hashed by the real ssh-keygen -H: known", async () => {
    await using sshd = await startSshd();
    await runOk(requirePeer("ssh-keygen"), ["-H", "-f", sshd.knownHostsPath]);
    expect(readFileSync(sshd.knownHostsPath, "utf8")).toMatch(/^\|1\|/);
    expect(await judgedBy(sshd, { knownHosts: [{ path: sshd.knownHostsPath }] })).toBe("in");
  });

  it("the known type is asked for when the server has several", async () => {
    await using sshd = await startSshd({ hostKey: "ed25519" });
    // A second sshd with two keys, of which only the one that is not preferred is known.
    const rsa = await sshKeygen(join(sshd.folder, "rsa_host"), "rsa");
    await using two = await startSshd({ config: [`HostKey ${rsa.privatePath}`] });
    const known = rsa.publicLine.split(" ").slice(0, 2).join(" ");
    await using connection = await connectTo(two, {
      hostKey: { knownHosts: [{ text: `[127.0.0.1]:${two.port} ${known}\n` }] },
    });
    expect(connection.hostKey.key.type).toBe("ssh-rsa");
    // A fingerprint does not tell of which type its key is.
    const { fingerprint } = connection.hostKey;
    await using pinned = await connectTo(two, { hostKey: { fingerprints: [fingerprint] } });
    expect(pinned.hostKey.fingerprint).toBe(fingerprint);
  });

  it("new ones are written down when asked, and the real ssh takes the line", async () => {
    await using sshd = await startSshd();
    const path = join(sshd.folder, "new", "known_hosts");
    const policy: HostKeyPolicy = { knownHosts: [], acceptNew: { path } };
    expect(await judgedBy(sshd, policy)).toBe("in");
    expect(await judgedBy(sshd, policy)).toBe("in");
    expect(readFileSync(path, "utf8").trim().split("\n")).toHaveLength(1);
    const found = await run(requirePeer("ssh-keygen"), [
      "-F",
      `[127.0.0.1]:${sshd.port}`,
      "-f",
      path,
    ]);
    expect(found.code).toBe(0);
    appendFileSync(path, "junk that must not harm");
    expect(await judgedBy(sshd, policy)).toBe("in");
  });

  it("pinned fingerprints and the caller's own check", async () => {
    await using sshd = await startSshd();
    expect(await judgedBy(sshd, { fingerprints: [sshd.hostKeyFingerprint] })).toBe("in");
    const wrong = `SHA256:${"A".repeat(43)}`;
    expect(await judgedBy(sshd, { fingerprints: [wrong] })).toMatchObject({
      code: "ERR_SSH_ENDPOINT_HOST_KEY_CHANGED",
      facts: { expectedFingerprints: [wrong], fingerprint: sshd.hostKeyFingerprint },
    });
    expect(await judgedBy(sshd, { verify: async () => false })).toMatchObject({
      code: "ERR_SSH_ENDPOINT_HOST_KEY_REFUSED",
    });
    expect(await judgedBy(sshd, { verify: async () => true })).toBe("in");
  });
});

describeWithPeers(["sshd", "ssh-keygen", "ssh-agent", "ssh-add"], "a real ssh-agent", () => {
  it.each(["ed25519", "ecdsa", "rsa"] as KeyKind[])("signs with its %s key", async (kind) => {
    await using sshd = await startSshd();
    const key = await sshKeygen(join(sshd.folder, "in_agent"), kind);
    writeFileSync(join(sshd.folder, "authorized_keys"), `${key.publicLine}\n`);
    const socket = join(sshd.folder, "agent.sock");
    await using agent = start(requirePeer("ssh-agent"), ["-D", "-a", socket]);
    await agent.waitFor("stdout", /SSH_AUTH_SOCK/);
    const env = { SSH_AUTH_SOCK: socket };
    // The wrong key comes first: the agent's keys are tried one after the other.
    await runOk(requirePeer("ssh-add"), ["-q", sshd.clientKey.privatePath], { env });
    await runOk(requirePeer("ssh-add"), ["-q", key.privatePath], { env });
    await using connection = await connectTo(sshd, { auth: { agent: socket } });
    expect(connection.hostKey.fingerprint).toBe(sshd.hostKeyFingerprint);
  });
});
