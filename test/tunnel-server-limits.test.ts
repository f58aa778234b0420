// What one key may use of our tunnel server, each bound tried with the real ssh: who is at it is told why, and other keys are served.
import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { setTimeout as delay } from "node:timers/promises";
import type { TunnelServerEvent } from "@dialhome/ssh-reverse";
import { expect, it } from "vitest";
import { describeWithPeers, requirePeer } from "./support/peers.ts";
import { type Running, start } from "./support/processes.ts";
import { readToEnd } from "./support/ssh-read.ts";
import { sshKeygen } from "./support/ssh-sshd.ts";
import { startTunnelServer, type TestTunnelServer } from "./support/ssh-tunnel-server.ts";

/** A service behind a tunnel. */
async function startService(
  onSocket: (socket: Socket) => void,
): Promise<{ target: string } & AsyncDisposable> {
  const sockets = new Set<Socket>();
  const service = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    onSocket(socket);
  }).listen(0, "127.0.0.1");
  await once(service, "listening");
  const address = service.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    target: `127.0.0.1:${address.port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      service.close();
      await once(service, "close");
    },
  };
}

/** Starts `ssh -N -R 0:target …` as a device with a name; by its own key unless another one is given. */
function device(
  server: TestTunnelServer,
  name: string,
  targets: readonly string[],
  keyPath = server.clientKey.privatePath,
): Running {
  const args = server.sshArgs.map((arg) => (arg === server.clientKey.privatePath ? keyPath : arg));
  // Of two that are written alike ssh asks for one.
  const address = ["", "127.0.0.1:"];
  const forwards = targets.flatMap((target, at) => ["-R", `${address[at]}0:${target}`]);
  return start(requirePeer("ssh"), [...args, "-N", ...forwards, `${name}@127.0.0.1`]);
}

const isForwarded = (event: TunnelServerEvent): boolean =>
  event.is === "connection" && event.event.is === "forwarded";

/** Waits until a device has so many forwardings, and gives their ports. */
async function portsOf(server: TestTunnelServer, name: string, count: number): Promise<number[]> {
  const ports = (): number[] =>
    server.server
      .tunnels()
      .filter((tunnel) => tunnel.name === name)
      .flatMap(({ forwards }) =>
        forwards.map(({ listens }) => Number(/\d+$/.exec(listens ?? "")?.[0])),
      );
  await server.waitForEvent((event) => isForwarded(event) && ports().length >= count);
  return ports();
}

/** A server whose keys are the client's and another one. */
async function startWithTwoKeys(
  options: Parameters<typeof startTunnelServer>[0],
): Promise<{ server: TestTunnelServer; other: string } & AsyncDisposable> {
  const folder = await startTunnelServer();
  const { publicLine, privatePath } = await sshKeygen(folder.folder.at("other"), "ed25519");
  const server = await startTunnelServer({
    ...options,
    line: (line) => `${line}\n${publicLine}`,
  });
  return {
    server,
    other: privatePath,
    async [Symbol.asyncDispose]() {
      await server[Symbol.asyncDispose]();
      await folder[Symbol.asyncDispose]();
    },
  };
}

describeWithPeers(["ssh", "ssh-keygen"], "what one key may use, tried with ssh", () => {
  it("connections, forwardings and channels are counted by key: who asks for more is told, others are served", async () => {
    await using service = await startService((socket) => socket.write("hello"));
    await using rig = await startWithTwoKeys({
      perKey: { connections: 2, forwards: 2, channels: 2 },
    });
    const { server, other } = rig;
    const { target } = service;
    const greeted = async (port: number): Promise<Socket> => {
      const socket = connect(port, "127.0.0.1");
      socket.on("error", () => {}); // its device goes in the end
      expect(String(await once(socket, "data"))).toBe("hello");
      return socket;
    };

    await using first = device(server, "first", [target]);
    const [port = 0] = await portsOf(server, "first", 1);
    await using greedy = device(server, "greedy", [target, target]);
    expect(await greedy.ended).toMatchObject({ code: 255 });
    expect(greedy.stderr).toContain(":2: more than 2 forwardings of this key");
    await using second = device(server, "second", [target]);
    const [secondPort = 0] = await portsOf(server, "second", 1);

    // Channels: of the key, through both of its tunnels.
    const sockets = [await greeted(port), await greeted(secondPort)];
    expect(await readToEnd(connect(port, "127.0.0.1"))).toBe("");
    expect(server.events.at(-1)).toMatchObject({
      is: "served",
      error: expect.objectContaining({ message: "too many connections for this key" }),
    });
    await using stranger = device(server, "stranger", [target, target], other);
    const [strangerPort = 0] = await portsOf(server, "stranger", 2);
    sockets.push(await greeted(strangerPort));
    sockets[0]?.resetAndDestroy(); // a plain end would be half of one
    await server.waitForEvent(() => server.events.filter(({ is }) => is === "served").length === 2);
    sockets.push(await greeted(port));

    // Connections: a third device of the key is told, and that is no offence; one that is there already comes back.
    for (let tries = 0; tries < 4; tries++) {
      await using third = device(server, "third", [target]);
      expect(await third.ended).toMatchObject({ code: 255 });
      expect(third.stderr).toContain(":12: more than 2 connections of this key");
      expect(third.stderr).not.toContain("Permission denied");
    }
    await using again = device(server, "first", []);
    expect((await first.ended).stderr).toContain("a newer connection of the same device needed");
    expect(again.stderr).toBe("");
    expect(server.server.tunnels().map(({ name }) => name)).toEqual([
      "second",
      "stranger",
      "first",
    ]);
    for (const socket of sockets) socket.destroy();
    for (const client of [second, stranger, again]) client.kill();
  });

  it("the bytes of a key are shared by its tunnels, in each direction; a silent connection is cut, one that speaks is not", async () => {
    const SIZE = 150_000;
    await using giver = await startService((socket) => {
      socket.resume();
      socket.end(Buffer.alloc(SIZE));
    });
    await using echo = await startService((socket) => socket.pipe(socket));
    await using rig = await startWithTwoKeys({
      perKey: { bytesPerSecond: 200_000 },
      idleMs: 1_500,
    });
    const { server, other } = rig;
    await using one = device(server, "one", [giver.target, echo.target]);
    await using two = device(server, "two", [giver.target]);
    await using stranger = device(server, "stranger", [giver.target], other);
    const ofOne = await portsOf(server, "one", 2);
    const ofTwo = await portsOf(server, "two", 1);
    const ofStranger = await portsOf(server, "stranger", 1);
    // Which of them gives is told by what comes.
    const [give = 0, talk = 0] = (await one.waitFor("stderr", /port (\d+)[^]*port (\d+)/))
      .slice(1)
      .map(Number);
    expect(new Set(ofOne)).toEqual(new Set([give, talk]));

    const begun = performance.now();
    const fetched = async (port: number): Promise<number> => {
      expect((await readToEnd(connect(port, "127.0.0.1"))).length).toBe(SIZE);
      return performance.now() - begun;
    };
    const times = await Promise.all([give, ofTwo[0] ?? 0, ofStranger[0] ?? 0].map(fetched));
    const [first = 0, second = 0, strangers = 0] = times;
    // Both together take 1.5 s less the burst of a quarter of a second; alone each would be through in half a second.
    expect(Math.max(first, second)).toBeGreaterThan(1_000);
    expect(strangers).toBeGreaterThan(400);
    expect(Math.min(first, second)).toBeGreaterThan(strangers);

    // The other direction has its own count, and upholds the writer.
    const speaking = connect(talk, "127.0.0.1");
    const silent = connect(talk, "127.0.0.1");
    const started = performance.now();
    const cut = once(silent, "close").then(() => performance.now() - started);
    let heard = 0;
    speaking.on("data", (chunk: Buffer) => (heard += chunk.length));
    for (let turn = 0; turn < 12; turn++) {
      speaking.write("x");
      await delay(200); // what is tried is time
    }
    expect(await cut).toBeGreaterThan(1_400);
    expect([heard, speaking.closed]).toEqual([12, false]);
    await once(speaking, "close");
    expect(
      server.events.filter(
        (event) => event.is === "served" && event.error?.message.includes("no traffic for 1.5 s"),
      ),
    ).toHaveLength(2);
    for (const client of [one, two, stranger]) client.kill();
  });
});
