// Twenty tunnels through a network that cuts, resets, stalls and dribbles: all come back, nothing is left.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { generateKey } from "@dialhome/ssh-endpoint";
import { createTunnelServer, openTunnel, type Tunnel } from "@dialhome/ssh-reverse";
import { expect, it } from "vitest";

const TUNNELS = 20;
const CHAOS_MS = 5_000;

/** A proxy to a port. While it is bad, each connection meets a misfortune within its first second. */
async function startBadProxy(
  port: number,
): Promise<{ port: number; calm(): void } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const timers = new Set<NodeJS.Timeout>();
  let isBad = true;
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
  };
  const dribble = (from: Socket, to: Socket): void => {
    from.on("data", (chunk: Buffer) => {
      for (let at = 0; at < chunk.length; ) {
        const end = at + 1 + Math.floor(Math.random() * 4_000);
        to.write(chunk.subarray(at, end));
        at = end;
      }
    });
    from.once("close", () => to.destroy());
  };
  const misfortunes: ((a: Socket, b: Socket) => void)[] = [
    (a, b) => {
      a.destroy();
      b.destroy();
    },
    (a, b) => {
      a.resetAndDestroy();
      b.resetAndDestroy();
    },
    // A black hole: both ends must find out by themselves.
    (a, b) => {
      a.pause();
      b.pause();
    },
  ];
  const proxy = createServer((near) => {
    const far = connect(port, "127.0.0.1");
    keep(near);
    keep(far);
    dribble(near, far);
    dribble(far, near);
    if (!isBad) return;
    const strike = misfortunes[Math.floor(Math.random() * misfortunes.length)];
    const timer = setTimeout(() => {
      timers.delete(timer);
      strike?.(near, far);
    }, Math.random() * 1_000);
    timers.add(timer);
  }).listen(0, "127.0.0.1");
  await once(proxy, "listening");
  const address = proxy.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const calm = (): void => {
    isBad = false;
    for (const timer of timers) clearTimeout(timer);
    timers.clear();
  };
  return {
    port: address.port,
    calm,
    async [Symbol.asyncDispose]() {
      calm();
      const closed = once(proxy, "close");
      proxy.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

async function echoThrough(tunnel: Tunnel): Promise<number> {
  for await (const state of tunnel.states()) {
    if (state.is !== "up") continue;
    const bytes = await echo(state.ports[0] ?? 0);
    if (bytes > 0) return bytes; // else this link fell under it: wait for the next
  }
  throw new Error("the tunnel ended");
}

async function echo(port: number): Promise<number> {
  const socket = connect(port, "127.0.0.1");
  let bytes = 0;
  socket.on("error", () => {});
  socket.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
    if (bytes === 200_000) socket.destroy();
  });
  socket.write(Buffer.alloc(200_000));
  await new Promise((resolve) => socket.once("close", resolve));
  return bytes === 200_000 ? bytes : 0;
}

const tcpHandles = (): number =>
  process.getActiveResourcesInfo().filter((name) => name.startsWith("TCP")).length;

it("all tunnels come back when the chaos ends, and nothing is left of it", async () => {
  const before = tcpHandles();
  const device = generateKey();
  const times = { keepaliveIntervalMs: 300, keepaliveCountMax: 3 };
  {
    await using server = await createTunnelServer({
      hostKeys: [generateKey().privateKey],
      authorizedKeys: { text: device.publicLine },
      forwardPolicy: () => ({ is: "listen", host: "127.0.0.1", port: 0 }),
      startups: { start: 100, rate: 0.3, full: 200 },
      startupsPerSource: 100,
      penalties: false, // all come from one address, and half of them break off before their login
      loginGraceMs: 1_500,
      ...times,
    });
    const { port } = await server.listen(0);
    await using proxy = await startBadProxy(port);
    const tunnels = Array.from({ length: TUNNELS }, () =>
      openTunnel({
        host: "127.0.0.1",
        port: proxy.port,
        user: "device",
        auth: { privateKey: device.privateKey },
        hostKey: { fingerprints: server.fingerprints },
        connectTimeoutMs: 1_500,
        reconnect: { minDelayMs: 20, maxDelayMs: 200 },
        forwards: [{ bindPort: 0, target: (channel) => void channel.pipe(channel) }],
        ...times,
      }),
    );
    try {
      await pause(CHAOS_MS);
      proxy.calm();
      // Those that hang in a black hole find out within their keepalive's bound.
      expect(await Promise.all(tunnels.map(echoThrough))).toEqual(tunnels.map(() => 200_000));
      expect(tunnels.every(({ state }) => state.is !== "failed")).toBe(true);
    } finally {
      await Promise.all(tunnels.map((tunnel) => tunnel[Symbol.asyncDispose]()));
    }
  }
  while (tcpHandles() > before) await pause(5); // the system closes them in its own time
  expect(tcpHandles()).toBe(before);
});
