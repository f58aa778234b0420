// From "host" and the files that people already have to a connection with the real sshd.
import { writeFileSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  connectSsh,
  type LocalAccount,
  localAccount,
  resolveSshHost,
  type SshConnection,
} from "@dialhome/ssh-endpoint";
import { expect, it } from "vitest";
import { describeWithPeers } from "./support/peers.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { type Sshd, startSshd } from "./support/ssh-sshd.ts";
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
