// What a bare ssh2 1.17 does wrong, or leaves to its user, with connections: hazards H1, H8, H10, H11 and H13 of H1 to H13, each with a hostile or
// unlucky peer. Every test here fails when its guard is taken out.
import { once } from "node:events";
import { connect } from "node:net";
import { describe, expect, it } from "vitest";
import { BOUNDS } from "../src/constants.ts";
import { connectTo, hostileClient, hostileServer, startServer, turns } from "./support/peers.ts";

describe("H1: a peer that falls silent", () => {
  it("is destroyed by the server within interval × count, and its forwarding is freed", async () => {
    let isFreed = false;
    await using server = await startServer({
      keepaliveIntervalMs: 40,
      keepaliveCountMax: 2,
      handlers: {
        forward: ({ bindPort }) => ({
          port: bindPort,
          close: () => {
            isFreed = true;
          },
        }),
      },
    });
    await using peer = await hostileClient(server);
    peer.protocol.tcpipForward("localhost", 1234, true);
    await peer.next("REQUEST_SUCCESS");
    peer.socket.pause(); // lives, and never answers again
    expect(await server.firstEnd()).toMatchObject({ code: "ERR_SSH_ENDPOINT_PEER_DEAD" });
    expect(isFreed).toBe(true);
    expect(server.server.connections.size).toBe(0);
  });

  it("is destroyed by the client too", async () => {
    await using pair = await hostileServer({ keepaliveIntervalMs: 40, keepaliveCountMax: 2 });
    pair.peer.socket.pause();
    expect((await pair.connection.closed).error).toMatchObject({
      code: "ERR_SSH_ENDPOINT_PEER_DEAD",
    });
  });

  it("a peer that only answers keepalives stays", async () => {
    await using server = await startServer({ keepaliveIntervalMs: 100, keepaliveCountMax: 3 });
    await using peer = await hostileClient(server);
    let pings = 0;
    const enough = new Promise<void>((resolve) => {
      peer.on("GLOBAL_REQUEST", () => {
        peer.protocol.requestFailure();
        if (++pings === 6) resolve();
      });
    });
    await enough;
    expect(server.server.connections.size).toBe(1);
  });
});

describe("H8: errors that nobody listens to", () => {
  it.each([
    ["no SSH at all", "GET / HTTP/1.0\r\n\r\n"],
    ["garbage behind the identification", `SSH-2.0-x\r\n${"\u0000".repeat(64)}`],
    ["another version", "SSH-1.5-x\r\n"],
    ["a greeting, which clients may not send", "hello\r\nSSH-2.0-x\r\n"],
  ])("%s ends that connection and nothing else", async (_name, bytes) => {
    await using server = await startServer();
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write(bytes);
    socket.write("x".repeat(10_000));
    await once(socket, "close");
    await using client = await connectTo(server);
    expect(client.stats.channels).toBe(0);
  });

  it("a reset in the middle of the handshake harms nobody", async () => {
    await using server = await startServer();
    const socket = connect(server.port, "127.0.0.1");
    socket.write("SSH-2.0-x\r\n");
    await once(socket, "data");
    socket.resetAndDestroy();
    await server.waitFor(({ is }) => is === "login-ended");
    await using client = await connectTo(server);
    expect(client.stats.channels).toBe(0);
  });
});

describe("H10: using a connection that is over", () => {
  it("rejects and does not throw", async () => {
    await using server = await startServer();
    const client = await connectTo(server);
    await client.end();
    const attempts = [
      () => client.forward({ bindPort: 1, onChannel: () => {} }),
      () => client.openShell(),
      () => client.execute("x"),
      () => client.openDirect("host", 1),
    ];
    for (const attempt of attempts) {
      await expect(attempt()).rejects.toMatchObject({ name: "SshEndpointError" });
    }
    client.rekey();
    client.destroy();
  });
});

describe("H11: ending a connection whose peer is dead", () => {
  it("does not wait for it", async () => {
    await using pair = await hostileServer();
    pair.peer.socket.pause();
    const began = performance.now();
    await pair.connection.end();
    expect(performance.now() - began).toBeLessThan(5_000);
    expect(await pair.connection.closed).toEqual({});
  });
});

describe("ending a connection whose peer has not heard of it yet", () => {
  // What came for a channel that was gone counted as a breach: the connection was cut, and the last words with it.
  it("its data and its wishes are nothing to anybody, and the last words arrive", async () => {
    const asked: string[] = [];
    await using server = await startServer({
      handlers: {
        session: { shell: (channel) => void channel.write(Buffer.alloc(32 * 1_048_576)) },
        forward: ({ bindAddress }) => {
          asked.push(bindAddress);
          return { port: 1 };
        },
      },
    });
    await using peer = await hostileClient(server);
    peer.protocol.session(0, 2 ** 32 - 1, 32_768);
    const [confirmation] = await peer.next("CHANNEL_OPEN_CONFIRMATION");
    const id: unknown = Reflect.get(Object(confirmation), "sender");
    if (typeof id !== "number") throw new Error("no number");
    peer.protocol.shell(id, false);
    await peer.next("CHANNEL_DATA");
    const words = peer.next("DISCONNECT");
    peer.socket.pause(); // what goes to it waits here
    await turns(50);
    const [connection] = server.server.connections;
    const ended = connection?.end("come back later");
    for (let n = 0; n < 10; n++) peer.protocol.channelData(id, Buffer.from("more"));
    peer.protocol.tcpipForward("late", 1234, true);
    peer.protocol.session(1, 1, 32_768);
    await turns(50);
    peer.socket.resume();
    expect(await words).toEqual([11, "come back later"]);
    await ended;
    expect(await server.firstEnd()).toBeUndefined();
    expect(asked).toEqual([]);
  });
});

describe("H13: wanting without end", () => {
  it("forwardings are capped", async () => {
    await using server = await startServer({
      forwards: 2,
      handlers: { forward: ({ bindPort }) => ({ port: bindPort }) },
    });
    await using client = await connectTo(server);
    const ask = (bindPort: number) => client.forward({ bindPort, onChannel: () => {} });
    await ask(1);
    const second = await ask(2);
    await expect(ask(3)).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_FORWARD_REFUSED" });
    await second.cancel();
    await ask(3);
  });

  it("forwardings that are still being decided count", async () => {
    await using server = await startServer({
      forwards: 2,
      handlers: { forward: () => new Promise(() => {}) },
    });
    await using peer = await hostileClient(server);
    for (let port = 1; port <= 3; port++) peer.protocol.tcpipForward("x", port, true);
    const refused = await server.waitFor(
      (event) => event.is === "connection" && event.event.is === "refused",
    );
    expect(refused).toMatchObject({ event: { why: "more than 2" } });
    peer.socket.destroy();
  });

  it("channels are capped", async () => {
    await using server = await startServer({
      channels: 2,
      handlers: { session: { shell: () => {} } },
    });
    await using client = await connectTo(server);
    const first = await client.openShell();
    await client.openShell();
    await expect(client.openShell()).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_CHANNEL_REFUSED",
      facts: { reason: 4 },
    });
    first.destroy();
    await once(first, "close");
    const [connection] = server.server.connections;
    while ((connection?.stats.channels ?? 0) > 1) await turns(1);
    await client.openShell();
  });

  it("refusals that are told are capped: they must not fill a log", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server);
    for (let n = 0; n < 3 * BOUNDS.toldRefusals; n++) peer.protocol.session(n, 1 << 20, 32_768);
    const isLast = (event: (typeof server.events)[number]): boolean =>
      event.is === "connection" &&
      event.event.is === "refused" &&
      event.event.what === "further requests";
    await server.waitFor(isLast);
    await turns(50);
    expect(server.events.filter(({ is }) => is === "connection")).toHaveLength(BOUNDS.toldRefusals);
  });
});
