// A tunnel server that gives its devices their ports.
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Negotiated, negotiate, openLibsqlRegistry } from "@dialhome/mux-protocol";
import { connectSsh, generateKey, type SshConnection } from "@dialhome/ssh-endpoint";
import { describe, expect, it } from "vitest";
import {
  createTunnelServer,
  type TunnelServer,
  type TunnelServerEvent,
  type TunnelServerOptions,
} from "../../src/index.ts";
import { freeRange } from "../support/free-range.ts";

const secret = "sixteen bytes and more";
const image = generateKey();
const stranger = generateKey();

interface Rig extends AsyncDisposable {
  readonly server: TunnelServer;
  readonly sshPort: number;
  readonly events: readonly TunnelServerEvent[];
  readonly keysPath: string;
  ask(identity: string, forwardings?: number): Promise<Negotiated>;
  connect(key?: { readonly privateKey: string }): Promise<SshConnection>;
}

async function startServer(options: Partial<TunnelServerOptions> = {}): Promise<Rig> {
  const folder = mkdtempSync(join(tmpdir(), "dialhome-mux-"));
  const keysPath = join(folder, "keys");
  writeFileSync(keysPath, `${image.publicLine}\n${stranger.publicLine}\n`);
  const registry = await openLibsqlRegistry({ path: join(folder, "ports.db"), create: true });
  const events: TunnelServerEvent[] = [];
  const server = await createTunnelServer({
    hostKeys: [generateKey().privateKey, generateKey().privateKey],
    authorizedKeys: { path: keysPath },
    keyPollMs: 20,
    mux: { secrets: secret, registry, portRange: await freeRange(), host: "127.0.0.1", port: 0 },
    onEvent: (event) => events.push(event),
    ...options,
  });
  const { port: sshPort } = await server.listen(0, "127.0.0.1");
  return {
    server,
    sshPort,
    events,
    keysPath,
    ask: (identity, forwardings = 1) =>
      negotiate({
        host: "127.0.0.1",
        port: server.mux?.port ?? 0,
        secret,
        identity,
        forwardings,
      }),
    connect: (key = image) =>
      connectSsh({
        host: "127.0.0.1",
        port: sshPort,
        user: "pi",
        auth: { privateKey: key.privateKey },
        hostKey: { fingerprints: server.fingerprints },
      }),
    async [Symbol.asyncDispose]() {
      await server.close();
      await registry[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true });
    },
  };
}

const forward = (connection: SshConnection, bindPort: number) =>
  connection.forward({ bindPort, onChannel: (channel) => channel.end("hello") });

/** Why the server ended a connection that asked for a port. */
async function refusalOf(connection: SshConnection, port: number): Promise<string> {
  const error: unknown = await forward(connection, port).catch((reason: unknown) => reason);
  const { farewell = "", error: end } = await connection.closed;
  return [error, farewell, end].map(String).join("; ");
}

describe("a tunnel server with a mux server", () => {
  it("answers with its own port and keys, and tells devices apart that share a key", async () => {
    await using rig = await startServer();
    const answers = await Promise.all(["a", "b"].map((identity) => rig.ask(identity)));
    for (const { sshPort, fingerprints } of answers) {
      expect(sshPort).toBe(rig.sshPort);
      expect(fingerprints).toEqual(rig.server.fingerprints);
    }
    const [a = 0, b = 0] = answers.flatMap(({ ports }) => ports);
    await using one = await rig.connect();
    await using two = await rig.connect();
    await forward(one, a);
    await forward(two, b);
    const tunnels = rig.server.tunnels();
    expect(new Set(tunnels.map(({ identity }) => identity)).size).toBe(2);
    expect(tunnels.map(({ forwards }) => forwards[0]?.listens)).toEqual([
      `127.0.0.1:${a}`,
      `127.0.0.1:${b}`,
    ]);
    const identity = tunnels[1]?.identity ?? "";
    expect(identity).toMatch(/^[0-9a-f]{32}$/);
    // Who comes back with the same port has it at once; the other one is left alone.
    await using again = await rig.connect();
    await forward(again, b);
    expect((await two.closed).farewell).toMatch(/replaced by a newer connection/);
    expect(rig.server.tunnels().map(({ forwards }) => forwards[0]?.listens)).toHaveLength(2);
    const stream = await rig.server.connect(identity);
    expect((await stream.toArray()).join("")).toBe("hello");
  });

  it("lets a key have no port of another's, and none that was given to nobody", async () => {
    await using rig = await startServer();
    const [a = 0] = (await rig.ask("a")).ports;
    const [b = 0] = (await rig.ask("b")).ports;
    await using one = await rig.connect();
    await forward(one, a);
    await using other = await rig.connect(stranger);
    expect(await refusalOf(other, a)).toMatch(/that of a device with another key/);
    await using unknown = await rig.connect(stranger);
    expect(await refusalOf(unknown, b + 1)).toMatch(/was given to no device/);
    expect(await refusalOf(one, b)).toMatch(/another device's than the other ports/);
    await using free = await rig.connect(stranger);
    const { port } = await forward(free, 0);
    expect(port > b + 8 || port < a).toBe(true);
    const bound = rig.events.filter((event) => event.is === "identified");
    expect(bound).toMatchObject([{ port: a, isFirstUse: true }]);
  });

  it("a whole fleet of one key has room, whatever one key may have else", async () => {
    await using rig = await startServer({ perKey: { connections: 1, forwards: 1, channels: 1 } });
    const connections: SshConnection[] = [];
    for (let n = 0; n < 5; n++) {
      const [port = 0] = (await rig.ask(`device ${n}`)).ports;
      const connection = await rig.connect();
      connections.push(connection);
      await forward(connection, port);
    }
    expect(rig.server.tunnels()).toHaveLength(5);
    await Promise.all(connections.map((connection) => connection.end()));
  });

  it("a line that comes to list a device for another key ends its connection", async () => {
    await using rig = await startServer();
    const [a = 0] = (await rig.ask("a")).ports;
    await using one = await rig.connect();
    await forward(one, a);
    const identity = rig.server.tunnels()[0]?.identity ?? "";
    writeFileSync(
      rig.keysPath,
      `${image.publicLine}\nenvironment="DIALHOME_IDENTITY=${identity}:kitchen" ${stranger.publicLine}\n`,
    );
    await rig.server.reload();
    expect((await one.closed).farewell).toMatch(/may no longer be this device's/);
    await using other = await rig.connect(stranger);
    await forward(other, a);
    expect(rig.server.tunnels()).toMatchObject([{ identity, label: "kitchen" }]);
    const stream = await rig.server.connect("kitchen");
    expect((await stream.toArray()).join("")).toBe("hello");
  });

  it("says so when its UDP port cannot be had, and answers nobody once it drains", async () => {
    await using rig = await startServer();
    const { mux } = rig.server;
    const options = { hostKeys: [generateKey().privateKey], admit: () => undefined };
    const registry = await openLibsqlRegistry({ path: `${rig.keysPath}.db`, create: true });
    await using _registry = registry;
    const port = mux?.port ?? 0;
    const portRange = { from: 2_000, to: 2_001 };
    await using other = await createTunnelServer({
      ...options,
      mux: { secrets: secret, registry, portRange, host: "127.0.0.1", port },
    });
    await expect(other.listen(0, "127.0.0.1")).rejects.toMatchObject({ code: "ERR_MUX_LISTEN" });
    await rig.server.drain(0);
    const late = negotiate({
      host: "127.0.0.1",
      port,
      secret,
      identity: "a",
      timeoutMs: 50,
      attempts: 1,
    });
    await expect(late).rejects.toMatchObject({ code: "ERR_MUX_TIMEOUT" });
  });
});
