// From "host" and the files that people already have to a connection with the real sshd.
import { chmodSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  connectSsh,
  type LocalAccount,
  localAccount,
  resolveSshHost,
  type SshConnection,
  SshEndpointError,
} from "@dialhome/ssh-endpoint";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run, runOk, start } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { type Sshd, sshArguments, sshKeygen, startSshd } from "./support/ssh-sshd.ts";
import { type TempDir, tempDir } from "./support/temp-dir.ts";

/** A home directory with a configuration of its own. */
async function homeWith(folder: TempDir, config: string): Promise<LocalAccount> {
  await mkdir(folder.at(".ssh"), { recursive: true });
  writeFileSync(folder.at(".ssh", "config"), config, { mode: 0o600 });
  return { ...localAccount({}), home: folder.path, env: {} };
}

async function connectBy(account: LocalAccount, destination: string): Promise<SshConnection> {
  const { options } = await resolveSshHost({
    destination,
    account,
    systemDirectory: join(account.home, "nothing"),
  });
  return connectSsh(options);
}

/** A block that leads to an sshd, without its known hosts. */
function block(name: string, sshd: Sshd, more: readonly string[] = []): string {
  return [
    `Host ${name}`,
    `  HostName ${sshd.host}`,
    `  Port ${sshd.port}`,
    `  IdentityFile ${sshd.clientKey.privatePath}`,
    ...more.map((line) => `  ${line}`),
    "",
  ].join("\n");
}

async function says(connection: SshConnection, command: string): Promise<string> {
  const channel = await connection.execute(command);
  channel.end();
  return readToEnd(channel);
}

describeWithPeers(["sshd", "ssh-keygen"], "a host by its configuration", () => {
  it("is reached through two others, each with a key, a port and known hosts of its own", async () => {
    await using outer = await startSshd();
    await using middle = await startSshd();
    await using inner = await startSshd({ config: ["AllowTcpForwarding no"] });
    await using folder = tempDir();
    const knows = (sshd: Sshd): string => `UserKnownHostsFile ${sshd.knownHostsPath}`;
    const account = await homeWith(
      folder,
      block("outer", outer, [knows(outer)]) +
        block("middle", middle, [knows(middle)]) +
        block("inner", inner, [knows(inner), "ProxyJump outer,middle"]) +
        block("self", inner, [knows(inner), "ProxyJump self"]),
    );
    const connection = await connectBy(account, "inner");
    expect(connection.hostKey.fingerprint).toBe(inner.hostKeyFingerprint);
    expect(await says(connection, "echo through")).toBe("through\n");
    // Each hop is seen by the next one only.
    expect(outer.log).toMatch(/Accepted publickey/);
    expect(middle.log).toMatch(/Accepted publickey/);
    await connection.end();
    await outer.waitForLog(/Connection closed|Received disconnect|Disconnected from/);
    await middle.waitForLog(/Connection closed|Received disconnect|Disconnected from/);

    await expect(connectBy(account, "self")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CONFIG",
      message: expect.stringMatching(/^self: more than 8 hosts on the way: is ProxyJump a loop\?$/),
    });
  });

  it("a changed key of the host on the way is refused before anything is sent through it", async () => {
    await using outer = await startSshd();
    await using inner = await startSshd();
    await using folder = tempDir();
    const wrong = folder.at("wrong");
    writeFileSync(wrong, `[${outer.host}]:${outer.port} ${inner.hostKeyLine}\n`);
    const account = await homeWith(
      folder,
      block("outer", outer, [`UserKnownHostsFile ${wrong}`]) +
        block("inner", inner, [`UserKnownHostsFile ${inner.knownHostsPath}`, "ProxyJump outer"]),
    );
    await expect(connectBy(account, "inner")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_HOST_KEY_CHANGED",
    });
    expect(outer.log).not.toMatch(/Accepted/);
  });
});

describeWithPeers(["sshd", "ssh", "ssh-keygen"], "a private key that others can get at", () => {
  it("is not used, as by ssh: named or configured; the next one is", async () => {
    await using sshd = await startSshd();
    await using folder = tempDir();
    const { clientKey, hostKeyFingerprint, host, port, user, knownHostsPath } = sshd;
    const keyPath = folder.at("key");
    writeFileSync(keyPath, readFileSync(clientKey.privatePath));
    const configured = await homeWith(
      folder,
      block("box", sshd, [`UserKnownHostsFile ${knownHostsPath}`]).replace(
        clientKey.privatePath,
        keyPath,
      ),
    );
    const outcome = async (connecting: Promise<SshConnection>): Promise<string> => {
      try {
        await (await connecting).end();
        return "let in";
      } catch (error) {
        if (!(error instanceof SshEndpointError)) throw error;
        return error.message;
      }
    };
    const hostKey = { fingerprints: [hostKeyFingerprint] };
    const auth = { privateKeyPath: keyPath };
    for (const mode of [0o600, 0o400, 0o640, 0o604, 0o601]) {
      chmodSync(keyPath, mode);
      const [byName, byConfiguration, real] = await Promise.all([
        outcome(connectSsh({ host, port, user, auth, hostKey })),
        outcome(connectBy(configured, "box")),
        run(requirePeer("ssh"), [
          ...sshArguments({ keyPath, port, knownHostsPath }),
          `${user}@${host}`,
          "true",
        ]),
      ]);
      const tooOpen = `${keyPath}: mode 0${mode.toString(8)} is too open for a private key: it is not used until it is 0600`;
      const isRefused = real.code !== 0;
      expect(isRefused).toBe(real.stderr.includes("UNPROTECTED PRIVATE KEY FILE"));
      expect([mode, byName, byConfiguration]).toEqual(
        isRefused ? [mode, tooOpen, tooOpen] : [mode, "let in", "let in"],
      );
    }
    const both = block("box", sshd, [`UserKnownHostsFile ${knownHostsPath}`]);
    const account = await homeWith(folder, `IdentityFile ${keyPath}\n${both}`);
    const { options, config } = await resolveSshHost({ destination: "box", account });
    expect(config.warnings).toEqual([expect.stringContaining("mode 0601 is too open")]);
    await (await connectSsh(options)).end();
  });
});

describeWithPeers(["sshd", "ssh-keygen", "ssh-agent", "ssh-add"], "the agent and key files", () => {
  it("a key that the configuration names is the first of the agent's, or the only one", async () => {
    await using sshd = await startSshd({ config: ["MaxAuthTries 2"] });
    await using folder = tempDir();
    const socket = folder.at("agent");
    await using agent = start(requirePeer("ssh-agent"), ["-D", "-a", socket]);
    await agent.waitFor("stdout", /SSH_AUTH_SOCK/);
    const others = [1, 2, 3].map((n) => folder.at(`other-${n}`));
    for (const path of others) await sshKeygen(path, "ed25519");
    await runOk(requirePeer("ssh-add"), ["-q", ...others, sshd.clientKey.privatePath], {
      env: { SSH_AUTH_SOCK: socket },
    });
    // Only the public half lies beside the configuration.
    writeFileSync(folder.at("chosen.pub"), `${sshd.clientKey.publicLine}\n`);
    const lines = (...more: string[]): string =>
      block("box", sshd, [...more, `UserKnownHostsFile ${sshd.knownHostsPath}`]).replace(
        /^ *IdentityFile.*client_key$/m,
        `  IdentityAgent ${socket}`,
      );
    const tooMany = await homeWith(folder, lines());
    await expect(connectBy(tooMany, "box")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_AUTHENTICATION",
    });
    for (const chosen of [folder.at("chosen"), folder.at("chosen.pub")]) {
      for (const only of ["yes", "no"]) {
        const account = await homeWith(
          folder,
          lines(`IdentityFile ${chosen}`, `IdentitiesOnly ${only}`),
        );
        await using connection = await connectBy(account, "box");
        expect(connection.hostKey.fingerprint).toBe(sshd.hostKeyFingerprint);
      }
    }
    const alone = await homeWith(
      folder,
      lines(`IdentityFile ${others[0]}.pub`, "IdentitiesOnly yes"),
    );
    const before = sshd.log.length;
    await expect(connectBy(alone, "box")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_AUTHENTICATION",
    });
    expect(sshd.log.slice(before).match(/Failed publickey/g) ?? []).toHaveLength(1);
  });

  it("a passphrase is asked for when the server would take the key, until it is right, and once", async () => {
    await using sshd = await startSshd();
    await using folder = tempDir();
    const stranger = await sshKeygen(folder.at("stranger"), "ed25519", "secret");
    const locked = await sshKeygen(folder.at("locked"), "rsa", "open sesame");
    writeFileSync(join(sshd.folder, "authorized_keys"), `${locked.publicLine}\n`);
    const account = await homeWith(
      folder,
      block("box", sshd, [`UserKnownHostsFile ${sshd.knownHostsPath}`]).replace(
        /IdentityFile .*/,
        `IdentityFile ${stranger.privatePath}\n  IdentityFile ${locked.privatePath}`,
      ),
    );
    const asked: string[] = [];
    const answers = ["sesame", "open sesame"];
    const { options } = await resolveSshHost({
      destination: "box",
      account,
      systemDirectory: folder.at("nothing"),
      passphrase: async (path) => {
        asked.push(path);
        return answers.shift();
      },
    });
    for (let times = 0; times < 2; times++) {
      await using connection = await connectSsh(options);
      expect(connection.hostKey.fingerprint).toBe(sshd.hostKeyFingerprint);
    }
    expect(asked).toEqual([locked.privatePath, locked.privatePath]);
    // Without anybody to ask: one line that says so.
    await expect(connectBy(account, "box")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_PASSPHRASE",
    });
  });
});

describeWithPeers(["sshd", "ssh", "ssh-keygen"], "a ProxyCommand", () => {
  it("is the way to the host; it goes with the connection, and the connection with it", async () => {
    await using hop = await startSshd();
    await using sshd = await startSshd();
    await using folder = tempDir();
    const { privatePath: keyPath } = hop.clientKey;
    const words = sshArguments({ keyPath, port: hop.port, knownHostsPath: hop.knownHostsPath });
    const through = `${requirePeer("ssh")} ${words.join(" ")} -W [%h]:%p ${hop.host}`;
    const account = await homeWith(
      folder,
      [
        block("box", sshd, [
          `UserKnownHostsFile ${sshd.knownHostsPath}`,
          `ProxyCommand sh -c "echo \\$\\$ >${folder.at("pid")}; exec ${through}"`,
        ]),
        block("nowhere", sshd, ["ProxyCommand /bin/false", "UserKnownHostsFile none"]),
      ].join(""),
    );
    const proxyPid = (): number => Number(readFileSync(folder.at("pid"), "utf8"));
    const connection = await connectBy(account, "box");
    expect((await says(connection, "head -c 3000000 /dev/zero")).length).toBe(3_000_000);
    expect(hop.log).toMatch(/Accepted publickey/);
    expect(process.kill(proxyPid(), 0)).toBe(true);
    await connection.end();
    expect(() => process.kill(proxyPid(), 0)).toThrow("ESRCH");

    await using cut = await connectBy(account, "box");
    process.kill(proxyPid(), "SIGKILL");
    expect(await cut.closed).toEqual({}); // as when the host itself hangs up

    await expect(connectBy(account, "nowhere")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CONNECT",
      message: `[127.0.0.1]:${sshd.port}: the ProxyCommand ended with 1, and no server has spoken`,
    });
  });
});

/** What stands in a list of revoked keys. */
const REVOKED: readonly (readonly [name: string, text: string | undefined])[] = [
  ["nothing", ""],
  ["the key", "KEY with a comment\n"],
  ["the key, without a line end", "KEY"],
  ["another key", "OTHER\n"],
  ["the key behind another", "# ours\n\n \tOTHER\n \tKEY\n"],
  ["the key in a comment", "# KEY\n"],
  ["a line that is no key", "frobnicate\n"],
  ["a key behind options", "restrict KEY\n"],
  ["no file", undefined],
];

/** What stands in known_hosts, and whether ssh goes on with `yes` and with `accept-new`. HOST is the name, KEY and OTHER are keys. */
const KNOWN_HOSTS: readonly (readonly [name: string, text: string])[] = [
  ["nothing", ""],
  ["the key", "HOST KEY\n"],
  ["another key of the type", "HOST OTHER\n"],
  ["both", "HOST OTHER\nHOST KEY\n"],
  ["the key for another port", "[127.0.0.1]:9 KEY\n"],
  ["the key under the plain name", "127.0.0.1 KEY\n"],
  ["another key under the plain name", "127.0.0.1 OTHER\n"],
  ["a pattern", "[127.0.0.*]:* KEY\n"],
  ["a negated pattern", "[127.0.0.*]:*,!HOST KEY\n"],
  ["several names", "somewhere,HOST,else KEY comment\n"],
  ["revoked", "HOST KEY\n@revoked HOST KEY\n"],
  ["revoked for all", "@revoked * KEY\nHOST KEY\n"],
  ["another one revoked", "@revoked * OTHER\nHOST KEY\n"],
  ["a certificate authority", "@cert-authority HOST KEY\n"],
  ["an unknown marker", "@something HOST KEY\n"],
  ["a comment", "# HOST KEY\n"],
  ["a broken line", "HOST ssh-ed25519 AAAA\nHOST KEY\n"],
  ["the end without a line end", "HOST KEY"],
];

/** StrictHostKeyChecking and HashKnownHosts that the first few are tried with, too. */
const HASHED_TOO = [
  ["yes", "no"],
  ["accept-new", "yes"],
] as const;

describeWithPeers(["sshd", "ssh", "ssh-keygen"], "known hosts", () => {
  it("we trust and refuse as the real ssh does, also where the names are hashed", async () => {
    await using sshd = await startSshd({ config: ["MaxStartups 100"] });
    const other = (await sshKeygen(join(sshd.folder, "other"), "ed25519")).publicLine;
    const name = `[${sshd.host}]:${sshd.port}`;
    const otherLine = other.split(" ").slice(0, 2).join(" ");
    const ours: Record<string, unknown> = {};
    const theirs: Record<string, unknown> = {};
    const judge = async (title: string, text: string, checking: string, hash: string) => {
      await using home = tempDir();
      const path = home.at("known");
      const more = [
        `UserKnownHostsFile ${path}`,
        "GlobalKnownHostsFile none",
        `StrictHostKeyChecking ${checking}`,
        `HashKnownHosts ${hash}`,
      ];
      const account = await homeWith(home, block("box", sshd, more));
      const begin = async (): Promise<void> => {
        writeFileSync(
          path,
          text
            .replaceAll("HOST", name)
            .replaceAll("KEY", sshd.hostKeyLine)
            .replaceAll("OTHER", otherLine),
        );
        if (hash === "yes") await run(requirePeer("ssh-keygen"), ["-H", "-f", path]);
      };
      await begin();
      const ssh = ["-F", home.at(".ssh", "config"), "-o", "BatchMode=yes", "box", "true"];
      const { code } = await run(requirePeer("ssh"), ssh, { env: { SSH_AUTH_SOCK: undefined } });
      const key = `${title}, ${checking}, hashed: ${hash}`;
      theirs[key] = [code === 0, linesOf(path)];
      await begin();
      ours[key] = [await isLetIn(account), linesOf(path)];
    };
    type Case = Parameters<typeof judge>;
    const cases = KNOWN_HOSTS.flatMap(([title, text], at): Case[] => [
      [title, text, "accept-new", "no"],
      ...(at < 4 ? HASHED_TOO.map(([checking, hash]): Case => [title, text, checking, hash]) : []),
    ]);
    // A few at a time: most of it is waiting for processes.
    const left = [...cases];
    const work = async (): Promise<void> => {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await judge(...next);
    };
    await Promise.all([work(), work(), work(), work()]);
    expect(Object.keys(ours)).toHaveLength(cases.length);
    expect(ours).toEqual(theirs);
  });

  it("we refuse revoked keys as the real ssh does", async () => {
    await using sshd = await startSshd({ config: ["MaxStartups 100"] });
    await using home = tempDir();
    const other = (await sshKeygen(join(sshd.folder, "other"), "ed25519")).publicLine;
    const path = home.at("revoked");
    const account = await homeWith(
      home,
      block("box", sshd, [`UserKnownHostsFile ${sshd.knownHostsPath}`, `RevokedHostKeys ${path}`]),
    );
    const ssh = ["-F", home.at(".ssh", "config"), "-o", "BatchMode=yes", "box", "true"];
    const ours: Record<string, boolean> = {};
    const theirs: Record<string, boolean> = {};
    for (const [title, text] of REVOKED) {
      if (text === undefined) rmSync(path);
      else {
        const keys = text.replaceAll("KEY", sshd.hostKeyLine).replaceAll("OTHER", other);
        writeFileSync(path, keys);
      }
      const env = { SSH_AUTH_SOCK: undefined };
      theirs[title] = (await run(requirePeer("ssh"), ssh, { env })).code === 0;
      ours[title] = await isLetIn(account);
    }
    expect(ours).toEqual(theirs);
    expect(Object.values(ours).filter(Boolean)).toHaveLength(3);

    writeFileSync(path, `${sshd.hostKeyLine}\n`);
    await expect(connectBy(account, "box")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_HOST_KEY_REVOKED",
      message: expect.stringContaining(`is revoked (${path}:1)`),
    });
    await runOk(requirePeer("ssh-keygen"), [
      "-q",
      "-k",
      "-f",
      path,
      `${sshd.clientKey.privatePath}.pub`,
    ]);
    await expect(connectBy(account, "box")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_KNOWN_HOSTS",
      message: expect.stringContaining("a binary list (KRL) is not read here"),
    });
  });

  it("twenty at once that remember a new host leave whole lines", async () => {
    await using sshd = await startSshd({ config: ["MaxStartups 100"] });
    await using folder = tempDir();
    const path = folder.at("new", "known");
    const account = await homeWith(
      folder,
      block("box", sshd, [`UserKnownHostsFile ${path}`, "StrictHostKeyChecking accept-new"]),
    );
    const connections = await Promise.all(
      Array.from({ length: 20 }, () => connectBy(account, "box")),
    );
    await Promise.all(connections.map((connection) => connection.end()));
    const lines = readFileSync(path, "utf8").trimEnd().split("\n");
    expect(new Set(lines)).toEqual(new Set([`[127.0.0.1]:${sshd.port} ${sshd.hostKeyLine}`]));
  });
});

/** Whether we go on, and what stops us is an error of the host key. */
async function isLetIn(account: LocalAccount): Promise<boolean> {
  try {
    await using connection = await connectBy(account, "box");
    return connection.hostKey.fingerprint !== "";
  } catch (error) {
    const code = error instanceof SshEndpointError ? error.code : "";
    // The second: a list of revoked keys that cannot be used.
    if (code.includes("HOST_KEY") || code.includes("KNOWN_HOSTS")) return false;
    throw error;
  }
}

/** How many lines a file has that say something: one more when a host was remembered. */
function linesOf(path: string): number {
  return readFileSync(path, "utf8")
    .split("\n")
    .filter((line) => line !== "").length;
}
