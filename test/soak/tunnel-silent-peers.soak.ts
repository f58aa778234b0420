// 10,000 connections that never speak: the server goes on serving a real tunnel, lets new ones in, and its memory is bounded.
import { type ChildProcess, fork } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { connectSsh, generateKey } from "@dialhome/ssh-endpoint";
import { openTunnel, type TunnelServerOptions } from "@dialhome/ssh-reverse";
import { expect, it } from "vitest";
import type { ServerAddress, ServerReport } from "../support/tunnel-server-process.ts";

const SILENT = 10_000;
/** Descriptors that this process and the server's need for other things. */
const OTHER_DESCRIPTORS = 500;
const PROGRAM = fileURLToPath(new URL("../support/tunnel-server-process.ts", import.meta.url));
/** So much one silent connection may cost the server, bytes. */
const BYTES_EACH = 20_000;

const device = generateKey();

interface Served extends AsyncDisposable {
  readonly address: ServerAddress;
  report(): Promise<ServerReport>;
}

async function startServer(options: Partial<TunnelServerOptions>): Promise<Served> {
  const told = JSON.stringify({ authorizedKeys: { text: device.publicLine }, ...options });
  const child: ChildProcess = fork(PROGRAM, [told], {
    execArgv: ["--expose-gc", "--conditions=@dialhome/source", "--import=tsx"],
  });
  const [address] = (await once(child, "message")) as [ServerAddress];
  return {
    address,
    report: async () => {
      const answer = once(child, "message");
      child.send("report");
      const [report] = (await answer) as [ServerReport];
      return report;
    },
    async [Symbol.asyncDispose]() {
      const exited = once(child, "exit");
      child.disconnect();
      expect((await exited)[0]).toBe(0);
    },
  };
}

/** Connections at a time: half of the descriptors where all do not fit. */
function waveSize(): number {
  const line = /^Max open files\s+(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8"));
  return Math.min(SILENT, Number(line?.[1] ?? 1_024) - OTHER_DESCRIPTORS);
}

/** Connects and says nothing; resolves when the connection stands, or was refused. */
async function silent(port: number, sockets: Set<Socket>): Promise<void> {
  const socket = connect(port, "127.0.0.1");
  sockets.add(socket);
  socket.on("error", () => {});
  socket.once("close", () => sockets.delete(socket));
  socket.resume();
  await new Promise<void>((resolve) => {
    socket.once("connect", resolve);
    socket.once("close", resolve);
  });
}

/** Opens so many, a hundred at a time. */
async function openSilent(count: number, port: number, sockets: Set<Socket>): Promise<void> {
  let left = count;
  const worker = async (): Promise<void> => {
    while (left-- > 0) await silent(port, sockets);
  };
  await Promise.all(Array.from({ length: 100 }, worker));
}

/** Time of an echo through a forwarded port, ms. */
async function echoMs(port: number): Promise<number> {
  const started = performance.now();
  const socket = connect(port, "127.0.0.1");
  socket.write("here");
  const [data] = (await once(socket, "data")) as [Buffer];
  expect(data.toString()).toBe("here");
  socket.destroy();
  return performance.now() - started;
}

/** Asks for echoes until it is told to end; gives how many came and the slowest, ms. */
function askOn(port: number): { end(): Promise<{ echoes: number; slowestMs: number }> } {
  const stop = new AbortController();
  const asked = (async () => {
    const result = { echoes: 0, slowestMs: 0 };
    while (!stop.signal.aborted) {
      result.slowestMs = Math.max(result.slowestMs, Math.round(await echoMs(port)));
      result.echoes++;
      await pause(50);
    }
    return result;
  })();
  asked.catch(() => {}); // told to whoever ends it
  return {
    end: async () => {
      stop.abort();
      return asked;
    },
  };
}

function tunnelOptions({ port, fingerprints }: ServerAddress) {
  return {
    host: "127.0.0.1",
    port,
    user: "device",
    auth: { privateKey: device.privateKey },
    hostKey: { fingerprints },
    forwards: [
      { bindPort: 0, target: (channel: NodeJS.ReadWriteStream) => void channel.pipe(channel) },
    ],
  };
}

it("10,000 that are all taken: others are served, each costs little, and all is freed", async () => {
  const many = 2 * SILENT;
  await using server = await startServer({
    startups: { start: many, rate: 0.3, full: many },
    startupsPerSource: many,
    connectionsPerSource: many,
    connections: many,
    penalties: false,
    loginGraceMs: 60_000,
  });
  const { address } = server;
  await using tunnel = openTunnel(tunnelOptions(address));
  await tunnel.up;
  const { state } = tunnel;
  if (state.is !== "up") throw new Error("not up");
  const [port = 0] = state.ports;
  await echoMs(port);
  await pause(1_000); // the echo's sockets are closed by then
  const before = await server.report();
  const asking = askOn(port);
  const wave = waveSize();
  let heldBytes = 0;
  let newcomers = 0;
  const started = performance.now();
  for (let left = SILENT; left > 0; left -= wave) {
    const sockets = new Set<Socket>();
    await openSilent(Math.min(left, wave), address.port, sockets);
    // The last of them may still wait in the listener's queue.
    const taken = async (): Promise<number> => (await server.report()).tcp - before.tcp;
    const polled = { timeout: 30_000, interval: 500 };
    await expect.poll(taken, polled).toBeGreaterThanOrEqual(Math.min(left, wave));
    const during = await server.report();
    heldBytes = Math.max(heldBytes, during.rss - before.rss);
    // A newcomer is let in beside them.
    await using other = openTunnel({ ...tunnelOptions(address), user: "newcomer" });
    await other.up;
    if (other.state.is === "up") await echoMs(other.state.ports[0] ?? 0);
    newcomers++;
    for (const socket of sockets) socket.destroy();
    await expect.poll(taken, polled).toBeLessThan(20);
  }
  const { echoes, slowestMs } = await asking.end();
  await pause(1_000); // and so are those of the last one
  const after = await server.report();
  const figures = {
    wave,
    seconds: Math.round(performance.now() - started) / 1000,
    bytesEach: Math.round(heldBytes / Math.min(wave, SILENT)),
    heapGrowth: after.heap - before.heap,
    newcomers,
    echoes,
    slowestMs,
    after,
  };
  process.stdout.write(`${JSON.stringify(figures)}\n`);
  expect(after.loginsEnded).toBe(SILENT);
  expect(figures.bytesEach).toBeLessThan(BYTES_EACH);
  expect(tunnel.state).toBe(state); // never lost
  expect(after.descriptors).toBe(before.descriptors);
  expect(after.timers).toBe(before.timers);
  expect(figures.heapGrowth).toBeLessThan(2_000_000);
});

it("10,000 of one source against the defaults: ten are held, the rest is dropped, and who is there is served", async () => {
  await using server = await startServer({});
  const { address } = server;
  await using tunnel = openTunnel(tunnelOptions(address));
  await tunnel.up;
  const { state } = tunnel;
  if (state.is !== "up") throw new Error("not up");
  const [port = 0] = state.ports;
  await echoMs(port);
  const before = await server.report();
  const asking = askOn(port);
  const sockets = new Set<Socket>();
  await openSilent(SILENT, address.port, sockets);
  const during = await server.report();
  expect(during.tcp).toBeLessThan(before.tcp + 100);
  // From elsewhere one gets in, at the latest after a few tries: of ten that wait some newcomers are dropped (MaxStartups).
  const login = async (): Promise<void> => {
    const stream = connect({
      port: address.port,
      host: "127.0.0.1",
      localAddress: "127.0.0.2",
    });
    await using connection = await connectSsh({ ...tunnelOptions(address), stream, user: "b" });
    await connection.forward({ bindPort: 0, onChannel: () => {} });
  };
  let tries = 0;
  for (let isIn = false; !isIn; ) {
    tries++;
    isIn = await login().then(
      () => true,
      () => false,
    );
    expect(tries).toBeLessThan(30);
  }
  for (const socket of sockets) socket.destroy();
  const { echoes, slowestMs } = await asking.end();
  const after = await server.report();
  const growth = after.rssPeak - before.rssPeak;
  process.stdout.write(`${JSON.stringify({ tries, echoes, slowestMs, growth, after })}\n`);
  expect(Object.values(after.dropped).reduce((sum, count) => sum + count, 0)).toBeGreaterThan(
    SILENT - 100,
  );
  expect(tunnel.state).toBe(state);
  expect(growth).toBeLessThan(60_000_000);
});
