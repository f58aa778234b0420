// What our tunnel server is for, with the real ssh -R: forwardings of every kind, ports that come back at once, keys that go.
import { once } from "node:events";
import { existsSync, renameSync, statSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { connectSsh, type SshConnection } from "@dialhome/ssh-endpoint";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { freePort } from "./support/ports.ts";
import { type Running, run, start } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { sshKeygen } from "./support/ssh-sshd.ts";
import { startTunnelServer, type TestTunnelServer } from "./support/ssh-tunnel-server.ts";
import { ask, startService } from "./support/tunnel-services.ts";

const DESTINATION = "tun@127.0.0.1";

function ssh(server: TestTunnelServer, ...args: readonly string[]): Running {
  return start(requirePeer("ssh"), [...server.sshArgs, "-N", ...args, DESTINATION]);
}

/** How many forwardings were granted so far. */
const granted = (server: TestTunnelServer): number =>
  server.events.filter((event) => event.is === "connection" && event.event.is === "forwarded")
    .length;

async function forwarded(server: TestTunnelServer, count: number): Promise<void> {
  await server.waitForEvent(() => granted(server) >= count);
}

/** The arguments of another device: its own key, let in by a line of its own. */
async function anotherKey(server: TestTunnelServer, line = (key: string) => key) {
  const key = await sshKeygen(server.folder.at(`key${Math.random()}`), "ed25519");
  const path = server.folder.at("next_keys");
  writeFileSync(path, `${server.clientKey.publicLine}\n${line(key.publicLine)}\n`);
  renameSync(path, server.authorizedKeysPath);
  const args = server.sshArgs.map((arg) =>
    arg === server.clientKey.privatePath ? key.privatePath : arg,
  );
  return { key, args };
}

/** Where the server listens for the forwardings of its only connection. */
function listens(server: TestTunnelServer): string[] {
  return server.server
    .tunnels()
    .flatMap(({ forwards }) => forwards.map((one) => one.listens ?? ""));
}

const portOf = (address: string | undefined): number => Number(/\d+$/.exec(address ?? "")?.[0]);

describeWithPeers(["ssh", "ssh-keygen"], "what ssh -R can have", () => {
  it("a port of its choice, any port, a unix socket, and all of them at once", async () => {
    await using one = await startService("one");
    await using two = await startService("two");
    await using server = await startTunnelServer({ withSockets: true });
    const port = await freePort();
    const wishes = [
      `${port}:127.0.0.1:${one.port}`,
      `0:127.0.0.1:${two.port}`,
      `127.0.0.1:0:127.0.0.1:${one.port}`,
      `/run/console:127.0.0.1:${two.port}`,
    ];
    await using client = ssh(server, ...wishes.flatMap((wish) => ["-R", wish]));
    await forwarded(server, 4);
    const [tunnel] = server.server.tunnels();
    expect(tunnel).toMatchObject({ name: "tun", user: "tun", comment: "test", line: 1 });
    const places = listens(server);
    const socket = places.find((place) => place.startsWith("/")) ?? "";
    const ports = places.filter((place) => place !== socket).map(portOf);
    expect(ports[0]).toBe(port);
    expect(socket).toMatch(/\/sockets\/tun~[0-9a-f]{12}\.console$/);
    expect(statSync(socket).mode & 0o777).toBe(0o600);
    expect(statSync(server.folder.at("sockets")).mode & 0o777).toBe(0o700);
    expect(await ask({ port })).toBe("one heard 8");
    expect(await ask({ port: ports[1] ?? 0 })).toBe("two heard 8");
    expect(await ask({ port: ports[2] ?? 0 })).toBe("one heard 8");
    expect(await ask({ path: socket })).toBe("two heard 8");
    client.kill();
    await server.waitForEvent(({ is }) => is === "closed");
    expect(existsSync(socket)).toBe(false);
    expect(server.server.tunnels()).toEqual([]);
  });

  it("a socket that a crash left is taken away, what somebody uses and what is no socket is not", async () => {
    await using service = await startService("one");
    await using server = await startTunnelServer({ withSockets: true });
    const forward = (name: string): Running =>
      ssh(server, "-R", `/${name}:127.0.0.1:${service.port}`);
    await using first = forward("a");
    await forwarded(server, 1);
    const at = (name: string): string => (listens(server)[0] ?? "").replace(/a$/, name);
    const stale = at("stale");
    await using crashing = start(process.execPath, [
      "-e",
      `require("net").createServer().listen(${JSON.stringify(stale)}, () => console.log("up"))`,
    ]);
    await crashing.waitFor("stdout", /up/);
    await using tooEarly = forward("stale");
    expect((await tooEarly.ended).stderr).toContain("another program listens there");
    crashing.kill("SIGKILL");
    await crashing.ended;
    expect(existsSync(stale)).toBe(true);
    await using second = forward("stale");
    await forwarded(server, 2);
    expect(await ask({ path: stale })).toBe("one heard 8");
    writeFileSync(at("file"), "precious");
    await using third = forward("file");
    expect((await third.ended).stderr).toContain("something else is in its place");
    for (const client of [first, second]) client.kill();
  });

  it.each([
    [
      "a foreign address",
      "0.0.0.0:0:127.0.0.1:1",
      "only loopback addresses can be had here, not 0.0.0.0",
    ],
    [
      "every address",
      "*:0:127.0.0.1:1",
      "only loopback addresses can be had here, not every address",
    ],
    ["a port of the system", "80:127.0.0.1:1", "only ports 20000 to 20009 can be had here"],
    [
      "a port outside of the range",
      "20010:127.0.0.1:1",
      "only ports 20000 to 20009 can be had here",
    ],
    ["a unix socket", "/tmp/never.sock:127.0.0.1:1", "unix sockets are not offered here"],
  ])("%s is refused, and every ssh shows why", async (_name, spec, why) => {
    await using server = await startTunnelServer({ bind: { ports: { min: 20_000, max: 20_009 } } });
    await using client = ssh(server, "-R", spec);
    const { code, stderr } = await client.ended;
    expect(code).toBe(255);
    expect(stderr).toContain(`Received disconnect from 127.0.0.1 port ${server.port}:2: ${why}`);
  });

  it("another address where the policy lets the line name it", async () => {
    await using server = await startTunnelServer({
      line: (key) => `permitlisten="127.0.0.1:*",permitlisten="0.0.0.0:*" ${key}`,
      bind: { addresses: "permitlisten" },
    });
    await using client = ssh(server, "-R", "0.0.0.0:0:127.0.0.1:1");
    await forwarded(server, 1);
    expect(listens(server)[0]).toMatch(/^0\.0\.0\.0:/);
    await using refused = ssh(server, "-R", "[::]:0:127.0.0.1:1");
    expect((await refused.ended).stderr).toContain("this key may not have port 0 of ::");
    client.kill();
  });

  it("with policy none nothing is bound: the server itself connects", async () => {
    await using service = await startService("device");
    await using server = await startTunnelServer({ bind: { addresses: "none" } });
    await using client = ssh(server, "-R", `22001:127.0.0.1:${service.port}`);
    await forwarded(server, 1);
    expect(listens(server)).toEqual([""]);
    await expect(once(connect(22_001, "127.0.0.1"), "connect")).rejects.toThrow("ECONNREFUSED");
    const [{ id } = { id: "" }] = server.server.tunnels();
    const stream = await server.server.connect(id);
    stream.end("question");
    expect(await readToEnd(stream)).toBe("device heard 8");
    await expect(server.server.connect("nobody")).rejects.toMatchObject({
      code: "ERR_SSH_REVERSE_NOT_CONNECTED",
    });
    client.kill();
  });

  it("a session is refused with the text of the line's command", async () => {
    await using server = await startTunnelServer({
      line: (key) => `command="This key is for tunnels only." ${key}`,
    });
    const { code, stderr } = await run(requirePeer("ssh"), [...server.sshArgs, DESTINATION, "id"]);
    expect(code).toBe(255);
    expect(stderr).toContain("administratively prohibited: This key is for tunnels only.");
  });
});

describeWithPeers(["ssh", "ssh-keygen"], "a device that comes back", () => {
  it("gets its port at once, though its predecessor hangs half open", async () => {
    await using before = await startService("before");
    await using after = await startService("after");
    await using server = await startTunnelServer();
    const port = await freePort();
    await using first = ssh(server, "-R", `${port}:127.0.0.1:${before.port}`);
    await forwarded(server, 1);
    expect(await ask({ port })).toBe("before heard 8");
    first.kill("SIGSTOP"); // power loss: the connection lives, nobody is there
    const lost = ask({ port }); // one who connected into the void is served by the newcomer
    await using second = ssh(server, "-R", `${port}:127.0.0.1:${after.port}`);
    await server.waitForEvent(() => server.events.filter(({ is }) => is === "opened").length === 2);
    const authenticated = performance.now();
    await forwarded(server, 2);
    expect(await ask({ port })).toBe("after heard 8");
    expect(performance.now() - authenticated).toBeLessThan(1_000);
    expect(await lost).toBe("after heard 8");
    const [tunnel, ...others] = server.server.tunnels();
    expect(others).toEqual([]);
    expect(tunnel?.roundTripMs).toBeGreaterThan(0);
    first.kill("SIGCONT");
    const { stderr } = await first.ended;
    expect(stderr).toContain("replaced by a newer connection of the same device");
    second.kill();
  });

  it("gets it also where it now asks for it on another address", async () => {
    await using service = await startService("one");
    await using server = await startTunnelServer({ bind: { addresses: "any" } });
    const port = await freePort();
    await using first = ssh(server, "-R", `127.0.0.1:${port}:127.0.0.1:${service.port}`);
    await forwarded(server, 1);
    await using second = ssh(server, "-R", `0.0.0.0:${port}:127.0.0.1:${service.port}`);
    await forwarded(server, 2);
    expect(listens(server)).toEqual([`0.0.0.0:${port}`]);
    expect(await ask({ port })).toBe("one heard 8");
    expect((await first.ended).stderr).toContain("replaced by a newer connection");
    second.kill();
  });

  it("another key, and another name with the same key, are told that it is held", async () => {
    await using service = await startService("one");
    await using server = await startTunnelServer();
    const { args } = await anotherKey(server);
    const port = await freePort();
    const forward = ["-N", "-R", `${port}:127.0.0.1:${service.port}`];
    await using first = ssh(server, ...forward.slice(1));
    await forwarded(server, 1);
    const refusal = `port ${port} of 127.0.0.1 is held by another device`;
    const otherKey = await run(requirePeer("ssh"), [...args, ...forward, DESTINATION]);
    expect(otherKey).toMatchObject({ code: 255 });
    expect(otherKey.stderr).toContain(refusal);
    const otherName = await run(requirePeer("ssh"), [...server.sshArgs, ...forward, "b@127.0.0.1"]);
    expect(otherName.stderr).toContain(refusal);
    expect(await ask({ port })).toBe("one heard 8");
    first.kill();
  });

  it("our client reads the reason too", async () => {
    await using server = await startTunnelServer({ bind: false });
    await using lenient = await startTunnelServer({ bind: false, keepRefused: true });
    const client = async (to: TestTunnelServer): Promise<SshConnection> =>
      connectSsh({
        host: "127.0.0.1",
        port: to.port,
        user: "tun",
        auth: { privateKeyPath: to.clientKey.privatePath },
        hostKey: { fingerprints: to.server.fingerprints },
      });
    for (const to of [server, lenient]) {
      await using connection = await client(to);
      await expect(connection.forward({ bindPort: 0, onChannel: () => {} })).rejects.toThrow(
        "not offered",
      );
      expect(connection.stats.channels).toBe(0);
    }
  });
});

describeWithPeers(["ssh", "ssh-keygen"], "keys that go", () => {
  it("a removed key's connection ends, the others stay; a bad file changes nothing", async () => {
    await using server = await startTunnelServer({ keyPollMs: 50 });
    const { args, key } = await anotherKey(server);
    await using first = ssh(server, "-R", "0:127.0.0.1:1");
    await using other = start(requirePeer("ssh"), [
      ...args,
      "-N",
      "-R",
      "0:127.0.0.1:1",
      DESTINATION,
    ]);
    await forwarded(server, 2);

    // Half written: the last line is cut in the middle of its key.
    writeFileSync(
      server.authorizedKeysPath,
      `${server.clientKey.publicLine}\n${key.publicLine.slice(0, 40)}`,
    );
    await server.waitForEvent(({ is }) => is === "keys-kept");
    expect(server.server.tunnels()).toHaveLength(2);

    writeFileSync(
      server.authorizedKeysPath,
      `# ${server.clientKey.publicLine}\n${key.publicLine}\n`,
    );
    const { code, stderr } = await first.ended;
    expect(code).toBe(255);
    expect(stderr).toContain("this key is no longer let in");
    expect(server.server.tunnels()).toHaveLength(1);
    expect(other.stderr).not.toContain("no longer");
    other.kill();
  });

  it("an expired key's connection ends, and so does one whose line no longer permits its port", async () => {
    const soon = new Date(Date.now() + 3_000).toISOString().replace(/[-:T]|\..*/g, "");
    await using server = await startTunnelServer({
      keyPollMs: 50,
      line: (key) => `expiry-time="${soon}Z" ${key}`,
    });
    const { args, key } = await anotherKey(server);
    await using limited = start(requirePeer("ssh"), [
      ...args,
      "-N",
      "-R",
      "0:127.0.0.1:1",
      DESTINATION,
    ]);
    await forwarded(server, 1);
    writeFileSync(
      server.authorizedKeysPath,
      `expiry-time="${soon}Z" ${server.clientKey.publicLine}\npermitlisten="7" ${key.publicLine}\n`,
    );
    expect((await limited.ended).stderr).toContain("this key may no longer forward what it does");
    await using expiring = ssh(server, "-R", "0:127.0.0.1:1");
    expect((await expiring.ended).stderr).toMatch(/this key has expired|Permission denied/);
  });
});
