// New keys while both directions are busy, started by either side: nothing is lost, nothing comes twice.
import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import { createReadStream, writeFileSync } from "node:fs";
import { connectSsh, type SshChannel } from "@dialhome/ssh-endpoint";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { run } from "./support/processes.ts";
import { startSshd } from "./support/ssh-sshd.ts";
import { startTunnelServer } from "./support/ssh-tunnel-server.ts";
import { tempDir } from "./support/temp-dir.ts";

const MIB = 1_048_576;
const BLOCK = randomBytes(MIB + 1);

function* blocks(bytes: number): Generator<Buffer> {
  for (let left = bytes; left > 0; left -= BLOCK.length) yield BLOCK.subarray(0, left);
}

function hashOfAll(bytes: number): string {
  const hash = createHash("sha256");
  for (const block of blocks(bytes)) hash.update(block);
  return hash.digest("hex");
}

describeWithPeers(["sshd", "ssh-keygen"], "our client with sshd", () => {
  it.each([
    ["we start by time", 8 * MIB, { rekeyIntervalMs: 20 }, []],
    ["both start by bytes", 50 * MIB, { rekeyBytes: 5 * MIB }, ["RekeyLimit 7M"]],
  ] as const)("%s: what comes back is what was sent", async (_name, bytes, limits, config) => {
    await using sshd = await startSshd({ config });
    await using connection = await connectSsh({
      host: sshd.host,
      port: sshd.port,
      user: sshd.user,
      auth: { privateKeyPath: sshd.clientKey.privatePath },
      hostKey: { knownHosts: [{ path: sshd.knownHostsPath }] },
      ...limits,
    });
    const channel = await connection.execute("cat");
    const hash = createHash("sha256");
    let received = 0;
    channel.on("data", (chunk: Buffer) => {
      received += chunk.length;
      hash.update(chunk);
    });
    const ended = once(channel, "end");
    for (const block of blocks(bytes)) {
      if (!channel.write(block)) await once(channel, "drain");
    }
    channel.end();
    await ended;
    expect([received, hash.digest("hex")]).toEqual([bytes, hashOfAll(bytes)]);
    expect(connection.stats.keyExchanges).toBeGreaterThan(leastExchanges(bytes));
  });
});

describeWithPeers(["ssh", "ssh-keygen"], "our server with ssh", () => {
  it.each([
    ["we start by time", 8 * MIB, { rekeyIntervalMs: 20 }, "default"],
    ["both start by bytes", 50 * MIB, { rekeyBytes: 5 * MIB }, "7M"],
  ] as const)("%s: what comes back is what was sent", async (_name, bytes, limits, theirs) => {
    await using server = await startTunnelServer({ ...limits, onShell: echo });
    await using folder = tempDir();
    writeFileSync(folder.at("sent"), Buffer.concat([...blocks(bytes)]));
    const ssh = [requirePeer("ssh"), ...server.sshArgs, "-T", "-o", `RekeyLimit=${theirs}`];
    const script = `exec "$@" tun@127.0.0.1 < ${folder.at("sent")} > ${folder.at("back")}`;
    const { code, stderr } = await run("sh", ["-c", script, "sh", ...ssh]);
    expect([code, stderr]).toEqual([0, ""]);
    const hash = createHash("sha256");
    for await (const chunk of createReadStream(folder.at("back"))) hash.update(chunk);
    expect(hash.digest("hex")).toBe(hashOfAll(bytes));
    const opened = server.events.find((event) => event.is === "opened");
    const exchanges = opened?.is === "opened" ? opened.connection.stats.keyExchanges : 0;
    expect(exchanges).toBeGreaterThan(leastExchanges(bytes));
  });
});

/** The first one is not started by a limit. By time their number depends on the machine, by bytes it does not. */
function leastExchanges(bytes: number): number {
  return bytes > 8 * MIB ? 3 : 1;
}

/** Sends back what comes, as fast as it is taken. */
function echo(channel: SshChannel): void {
  channel.on("data", (chunk: Buffer) => {
    if (channel.write(chunk)) return;
    channel.pause();
    channel.once("drain", () => channel.resume());
  });
  channel.once("end", () => {
    channel.exitWith(0);
    channel.end();
  });
}
