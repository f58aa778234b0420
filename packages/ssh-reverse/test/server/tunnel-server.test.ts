import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  connectSsh,
  createSshServer,
  generateKey,
  type SshConnection,
  type SshServer,
} from "@dialhome/ssh-endpoint";
import { describe, expect, it, vi } from "vitest";
import {
  createTunnelServer,
  type TunnelServer,
  type TunnelServerEvent,
  type TunnelServerOptions,
} from "../../src/index.ts";

const device = generateKey();

interface Rig extends AsyncDisposable {
  readonly server: TunnelServer;
  readonly events: readonly TunnelServerEvent[];
  connect(user?: string): Promise<SshConnection>;
}

async function startServer(options: Partial<TunnelServerOptions> = {}): Promise<Rig> {
  const events: TunnelServerEvent[] = [];
  const server = await createTunnelServer({
    hostKeys: [generateKey().privateKey],
    authorizedKeys: { text: device.publicLine },
    onEvent: (event) => events.push(event),
    ...options,
  });
  const { port } = await server.listen(0);
  return {
    server,
    events,
    connect: (user = "device") =>
      connectSsh({
        host: "127.0.0.1",
        port,
        user,
        auth: { privateKey: device.privateKey },
        hostKey: { fingerprints: server.fingerprints },
      }),
    [Symbol.asyncDispose]: () => server.close(),
  };
}

const words = ({ events }: Rig): string[] =>
  events.flatMap((event) => (event.is === "ended" ? [event.code] : []));

describe("a tunnel server", () => {
  it("needs something that lets people in", async () => {
    await expect(
      createTunnelServer({ hostKeys: [generateKey().privateKey] }),
    ).rejects.toMatchObject({
      code: "ERR_SSH_REVERSE_OPTION",
    });
  });

  it("leaves nothing open when it cannot read its keys", async () => {
    const hostKeys = [generateKey().privateKey];
    await using beneath = await createSshServer({ hostKeys, authorize: () => ({ refused: "" }) });
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the class is not public
    const close = vi.spyOn(Object.getPrototypeOf(beneath) as SshServer<unknown>, "close");
    const authorizedKeys = { path: "/nonexistent/keys" };
    await expect(createTunnelServer({ hostKeys, authorizedKeys })).rejects.toMatchObject({
      code: "ERR_SSH_REVERSE_AUTHORIZED_KEYS",
    });
    expect(close).toHaveBeenCalledOnce();
  });

  it("may be let in by a callback alone, which also gives the name", async () => {
    await using server = await createTunnelServer({
      hostKeys: [generateKey().privateKey],
      admit: ({ user }) => (user === "good" ? { name: "kitchen" } : { refused: "who?" }),
    });
    const { port } = await server.listen(0);
    const options = {
      host: "127.0.0.1",
      port,
      auth: { privateKey: device.privateKey },
      hostKey: { fingerprints: server.fingerprints },
    };
    await expect(connectSsh({ ...options, user: "bad" })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_AUTHENTICATION",
    });
    await using _connection = await connectSsh({ ...options, user: "good" });
    expect(server.tunnels()).toMatchObject([{ id: "kitchen", user: "good", line: 0 }]);
  });

  it("ends a login that asks for nothing", async () => {
    await using rig = await startServer({ unusedMs: 30 });
    await using connection = await rig.connect();
    expect(await connection.closed).toMatchObject({ farewell: "no forwarding for 0.03 s" });
    expect(words(rig)).toEqual(["unused"]);
  });

  it("leaves one that forwards", async () => {
    await using rig = await startServer({ unusedMs: 30 });
    await using used = await rig.connect();
    await used.forward({ bindPort: 0, onChannel: () => {} });
    await using unused = await rig.connect("other");
    await unused.closed;
    expect(rig.server.tunnels()).toHaveLength(1);
  });

  it("at the bound of a key its longest silent connection of that name makes room, another name is refused", async () => {
    await using rig = await startServer({ perKey: { connections: 2 } });
    await using first = await rig.connect();
    await using _second = await rig.connect();
    await expect(rig.connect("other")).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_DISCONNECTED",
    });
    await using _third = await rig.connect();
    expect((await first.closed).farewell).toContain("a newer connection of the same device");
    expect(rig.server.tunnels()).toHaveLength(2);
    expect(words(rig)).toEqual(["too-many"]);
  });

  it("bounds forwardings by key", async () => {
    await using rig = await startServer({ perKey: { forwards: 1 }, keepRefused: true });
    await using first = await rig.connect();
    const forwarding = await first.forward({ bindPort: 0, onChannel: () => {} });
    await using second = await rig.connect();
    const again = async () => second.forward({ bindPort: 0, onChannel: () => {} });
    await expect(again()).rejects.toThrow("more than 1 forwardings of this key");
    await forwarding.cancel();
    expect((await again()).port).toBeGreaterThan(0);
  });

  it("one connection may have all forwardings of its key", async () => {
    await using rig = await startServer({ perKey: { forwards: 20 }, keepRefused: true });
    await using connection = await rig.connect();
    const ask = async () => connection.forward({ bindPort: 0, onChannel: () => {} });
    for (let n = 0; n < 20; n++) await ask();
    await expect(ask()).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_FORWARD_REFUSED" });
  });

  it("a line that changes counts for who is connected already", async () => {
    const folder = mkdtempSync(join(tmpdir(), "dialhome-lines-"));
    const path = join(folder, "keys");
    const write = (options: string): void =>
      writeFileSync(path, `${options}${device.publicLine}\n`);
    write("");
    await using rig = await startServer({ authorizedKeys: { path }, keepRefused: true });
    await using connection = await rig.connect();
    const ask = async () => connection.forward({ bindPort: 0, onChannel: () => {} });
    await (await ask()).cancel();
    write('permitlisten="7" ');
    await rig.server.reload();
    await expect(ask()).rejects.toThrow("may not have port 0");
    const soon = new Date(Date.now() + 1_000).toISOString().replace(/[-:T]|\..*/g, "");
    write(`expiry-time="${soon}Z" `);
    await rig.server.reload();
    await connection.closed;
    // A second may have passed before the look at the line.
    expect(["key-expired", "key-removed"]).toContain(words(rig)[0]);
    rmSync(folder, { recursive: true });
  });

  it("ends a tunnel behind which nothing greets, and leaves the one that does", async () => {
    await using rig = await startServer({
      probe: { greeting: "SSH-2.0-", intervalMs: 30, timeoutMs: 200, failures: 2 },
    });
    await using good = await rig.connect("good");
    await good.forward({ bindPort: 0, onChannel: (channel) => channel.end("SSH-2.0-x\r\n") });
    await using wrong = await rig.connect("wrong");
    await wrong.forward({ bindPort: 0, onChannel: (channel) => channel.end("HTTP/1.1 400\r\n") });
    await using silent = await rig.connect("silent");
    await silent.forward({ bindPort: 0, onChannel: () => {} });
    expect((await wrong.closed).farewell).toBe("nothing says SSH-2.0- behind this tunnel");
    expect((await silent.closed).farewell).toBe("nothing says SSH-2.0- behind this tunnel");
    expect(rig.server.tunnels()).toMatchObject([{ name: "good", answers: true }]);
    expect(words(rig)).toEqual(["no-greeting", "no-greeting"]);
  });

  it("drains: nobody new, those who are served may finish, then all is gone", async () => {
    await using rig = await startServer({ bind: { addresses: "none" } });
    await using connection = await rig.connect();
    await connection.forward({ bindPort: 7_000, onChannel: () => {} });
    await rig.server.drain(10);
    expect((await connection.closed).farewell).toBe("the server is stopping");
    expect(rig.server.tunnels()).toEqual([]);
    await expect(rig.connect()).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_CONNECT" });
  });
});
