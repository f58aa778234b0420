// Peers that mean harm, or nothing: the tunnel server goes on serving the others, and nothing is left of them.
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { connectSsh, generateKey, type SshConnection } from "@dialhome/ssh-endpoint";
import {
  createTunnelServer,
  type TunnelServer,
  type TunnelServerEvent,
  type TunnelServerOptions,
} from "@dialhome/ssh-reverse";
import { expect, it } from "vitest";

const device = generateKey();

interface Rig extends AsyncDisposable {
  readonly server: TunnelServer;
  readonly port: number;
  readonly events: readonly TunnelServerEvent[];
  connect(user: string): Promise<SshConnection>;
}

async function startServer(options: Partial<TunnelServerOptions> = {}): Promise<Rig> {
  const events: TunnelServerEvent[] = [];
  const server = await createTunnelServer({
    hostKeys: [generateKey().privateKey],
    authorizedKeys: { text: device.publicLine },
    penalties: false, // all come from one address
    onEvent: (event) => events.push(event),
    ...options,
  });
  const { port } = await server.listen(0);
  return {
    server,
    port,
    events,
    connect: (user) =>
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

/** A device whose forwarding answers with a word; asks for it through the server's listener. */
async function expectServed(rig: Rig): Promise<void> {
  await using connection = await rig.connect(`good${Math.random()}`);
  const { port } = await connection.forward({
    bindPort: 0,
    onChannel: (channel) => channel.end("served"),
  });
  const socket = connect(port, "127.0.0.1");
  const [data] = (await once(socket, "data")) as [Buffer];
  socket.destroy();
  expect(data.toString()).toBe("served");
}

it("hundreds that never speak, garbage and half handshakes: others are served, and all is freed when the grace is over", async () => {
  await using rig = await startServer({
    loginGraceMs: 2_000,
    startups: { start: 2_000, rate: 0.3, full: 4_000 },
    startupsPerSource: 4_000,
    connectionsPerSource: 4_000,
  });
  const openings: readonly (Buffer | string)[] = [
    "",
    "SSH-2.0-half\r\n",
    "SSH-2.0-half\r\n\0\0\0\x0c\x0a\x14",
    "GET / HTTP/1.1\r\n\r\n",
    Buffer.alloc(2_000, 0xff),
    "SSH-2.0-x\r\n\xff\xff\xff\xff garbage instead of a packet",
  ];
  const sockets: Socket[] = [];
  const closed = Array.from({ length: 500 }, async (_, at) => {
    const socket = connect(rig.port, "127.0.0.1");
    socket.on("error", () => {});
    sockets.push(socket);
    const gone = new Promise((resolve) => socket.once("close", resolve));
    socket.resume().write(openings[at % openings.length] ?? "", "latin1");
    await gone;
  });
  await expectServed(rig);
  await Promise.all(closed);
  const ended = (): number => rig.events.filter(({ is }) => is === "login-ended").length;
  await expect.poll(ended, { timeout: 10_000 }).toBe(500);
  await expectServed(rig);
});

it("from the random early drop on newcomers are dropped, and who is logged in stays", async () => {
  await using rig = await startServer({ startups: { start: 5, rate: 1, full: 5 } });
  await using connection = await rig.connect("device");
  const sockets = Array.from({ length: 20 }, () => connect(rig.port, "127.0.0.1"));
  for (const socket of sockets) socket.on("error", () => {});
  const dropped = (): number => rig.events.filter(({ is }) => is === "dropped").length;
  await expect.poll(dropped).toBe(15);
  await connection.forward({ bindPort: 0, onChannel: () => {} });
  expect(rig.server.tunnels()).toHaveLength(1);
  for (const socket of sockets) socket.destroy();
});

it("a source that fails to log in again and again is kept away for a while", async () => {
  await using rig = await startServer({ penalties: {}, admit: () => ({ refused: "never" }) });
  // Three penalties are the bound, less what was atoned for meanwhile.
  for (let count = 0; count < 4; count++) {
    await expect(rig.connect("a")).rejects.toThrow("does not let a in");
  }
  const failed = (): number => rig.events.filter(({ is }) => is === "login-ended").length;
  await expect.poll(failed).toBe(4);
  await expect(rig.connect("a")).rejects.toThrow(/hung up|broke off|ECONNRESET/);
  expect(rig.events.at(-1)).toMatchObject({ is: "dropped", why: "penalty" });
});

it("a device that never reads what is sent through its tunnel costs a bounded amount", async () => {
  await using rig = await startServer();
  await using lazy = await rig.connect("lazy");
  const { port } = await lazy.forward({ bindPort: 0, onChannel: (channel) => channel.pause() });
  const before = process.memoryUsage().rss;
  const sockets = Array.from({ length: 10 }, () => {
    const socket = connect(port, "127.0.0.1");
    socket.on("error", () => {});
    const chunk = Buffer.alloc(65_536);
    const pour = (): void => {
      while (socket.write(chunk));
    };
    socket.on("drain", pour);
    pour();
    return socket;
  });
  await expect
    .poll(() => rig.server.tunnels()[0]?.bytesOut ?? 0, { timeout: 15_000 })
    .toBeGreaterThan(5_000_000);
  for (let round = 0; round < 3; round++) await expectServed(rig);
  // Ten windows of a mebibyte at each end, what sockets hold, and room for the rest of this process.
  expect(process.memoryUsage().rss - before).toBeLessThan(150_000_000);
  expect(rig.server.tunnels()[0]?.bytesOut).toBeLessThan(90_000_000);
  for (const socket of sockets) socket.destroy();
});

it("a hundred reconnects leave handles, timers and listeners as they were", async () => {
  await using rig = await startServer();
  const resources = (): string[] => process.getActiveResourcesInfo().toSorted();
  const round = async (): Promise<void> => {
    await using connection = await rig.connect("device");
    await connection.forward({ bindPort: 0, onChannel: () => {} });
  };
  await round();
  await expect.poll(() => rig.server.connections.size).toBe(0);
  const count = (name: RegExp): number => resources().filter((one) => name.test(one)).length;
  const before = { tcp: count(/TCP/), timers: count(/Timeout/) };
  for (let at = 0; at < 100; at++) await round();
  await expect.poll(() => rig.server.connections.size).toBe(0);
  await expect.poll(() => count(/TCP/)).toBeLessThanOrEqual(before.tcp);
  await expect.poll(() => count(/Timeout/)).toBeLessThanOrEqual(before.timers + 1); // the poll's own
  expect(rig.server.tunnels()).toEqual([]);
});
