// What a bare ssh2 1.17 does wrong, or leaves to its user (H1 to H13), each with a hostile or unlucky peer. Every test
// here fails when its guard is taken out.
import { once } from "node:events";
import { connect } from "node:net";
import type { ServerConnection, SshChannel } from "@dialhome/ssh-endpoint";
import { generateKey } from "@dialhome/ssh-endpoint";
import ssh2 from "ssh2";
import { describe, expect, it } from "vitest";
import { BOUNDS } from "../src/constants.ts";
import { parsePrivateKey } from "../src/private-key.ts";
import {
  CLIENT_KEY,
  connectTo,
  type Hostile,
  hostileClient,
  hostileServer,
  startServer,
  type TestServer,
  turns,
} from "./support/peers.ts";

const MIB = 1024 * 1024;

/** The server's side of the one connection that is logged in. */
async function serverSide(server: TestServer): Promise<ServerConnection<string>> {
  const event = await server.waitFor(({ is }) => is === "opened");
  if (event.is !== "opened") throw new Error("no connection");
  return event.connection;
}

/** A channel from our server to a hostile client, which answers the open request with these numbers. */
async function openTo(
  peer: Hostile,
  connection: ServerConnection<string>,
  numbers: { window: number; packetSize: number },
): Promise<SshChannel> {
  peer.on("CHANNEL_OPEN", (_p: unknown, open: { sender: number }) => {
    peer.protocol.channelOpenConfirm(open.sender, 0, numbers.window, numbers.packetSize);
  });
  peer.protocol.tcpipForward("localhost", 1234, true);
  await peer.next("REQUEST_SUCCESS");
  return connection.openForwarded("localhost", 1234);
}

async function countByEvents(channel: SshChannel): Promise<number> {
  let bytes = 0;
  channel.on("data", (chunk: Buffer) => (bytes += chunk.length));
  await once(channel, "end");
  return bytes;
}

/** Takes all that is there at once, which is another way through Node's streams. */
async function countByIteration(channel: SshChannel): Promise<number> {
  let bytes = 0;
  for await (const chunk of channel) bytes += chunk.length;
  return bytes;
}

const anyForward = { forward: ({ bindPort }: { bindPort: number }) => ({ port: bindPort }) };

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

describe("H2: half-close on the server's side", () => {
  it("a reply that is made after the end of the request arrives", async () => {
    await using server = await startServer({
      handlers: {
        session: {
          shell: async (channel) => {
            let bytes = 0;
            channel.on("data", (chunk: Buffer) => (bytes += chunk.length));
            await once(channel, "end");
            channel.end(`got ${bytes}`);
          },
        },
      },
    });
    await using client = await connectTo(server);
    const shell = await client.openShell();
    shell.end(Buffer.alloc(3 * MIB));
    const [reply] = await once(shell, "data");
    expect(String(reply)).toBe(`got ${3 * MIB}`);
  });

  it("the server may end first and still be written to", async () => {
    let received: Promise<unknown[]> | undefined;
    await using server = await startServer({
      handlers: {
        session: {
          shell: (channel) => {
            received = once(channel, "data");
            channel.end("first");
          },
        },
      },
    });
    await using client = await connectTo(server);
    const shell = await client.openShell();
    shell.resume();
    await once(shell, "end");
    shell.end("second");
    const [chunk] = (await received) ?? [];
    expect(String(chunk)).toBe("second");
  });
});

describe("H3: a maximum packet size of 0 or next to nothing", () => {
  it.each([0, 1, 255])("%i in a confirmation ends the connection", async (packetSize) => {
    await using server = await startServer({ handlers: anyForward });
    await using peer = await hostileClient(server);
    const connection = await serverSide(server);
    await expect(openTo(peer, connection, { window: MIB, packetSize })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_PROTOCOL",
    });
  });

  it("0 in a client's open request ends the connection", async () => {
    await using server = await startServer({
      handlers: { session: { shell: (channel) => void channel.end("x".repeat(100)) } },
    });
    await using peer = await hostileClient(server);
    peer.protocol.session(0, MIB, 0);
    expect(await server.firstEnd()).toMatchObject({ code: "ERR_SSH_ENDPOINT_PROTOCOL" });
  });

  it("0 from a server ends the client's connection", async () => {
    await using pair = await hostileServer();
    pair.peer.on("CHANNEL_OPEN", (_p: unknown, open: { sender: number }) => {
      pair.peer.protocol.channelOpenConfirm(open.sender, 0, MIB, 0);
    });
    await expect(pair.connection.openShell()).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_PROTOCOL",
    });
  });

  it("256 is taken and kept to", async () => {
    await using server = await startServer({ handlers: anyForward });
    await using peer = await hostileClient(server);
    const channel = await openTo(peer, await serverSide(server), { window: MIB, packetSize: 256 });
    const sizes: number[] = [];
    const all = new Promise<void>((resolve) => {
      peer.on("CHANNEL_DATA", (_p: unknown, _id: number, data: Buffer) => {
        sizes.push(data.length);
        if (sizes.reduce((sum, size) => sum + size) === 1000) resolve();
      });
    });
    channel.write(Buffer.alloc(1000));
    await all;
    expect(sizes).toEqual([256, 256, 256, 232]);
  });
});

describe("H4: a peer with an endless window that does not read", () => {
  it("does not fill the memory: what waits stays in the channel", async () => {
    await using server = await startServer({ handlers: anyForward });
    await using peer = await hostileClient(server);
    const connection = await serverSide(server);
    const channel = await openTo(peer, connection, {
      window: 2 ** 32 - 1,
      packetSize: 32_768,
    });
    peer.socket.pause();
    let isDone = false;
    channel.write(Buffer.alloc(128 * MIB), () => {
      isDone = true;
    });
    await turns(200);
    // The system's socket buffers take a few MiB; ssh2 would have queued all 128 at once.
    expect(isDone).toBe(false);
    expect(channel.writableLength).toBe(128 * MIB);
    expect(connection.stats.bytesOut).toBeLessThan(32 * MIB);
  });

  it("a key exchange that the peer does not finish queues nothing, and ends the connection", async () => {
    await using server = await startServer({ handlers: anyForward, rekeyTimeoutMs: 200 });
    await using peer = await hostileClient(server);
    const connection = await serverSide(server);
    const channel = await openTo(peer, connection, { window: 2 ** 32 - 1, packetSize: 32_768 });
    peer.socket.pause();
    connection.rekey();
    channel.on("error", () => {});
    channel.write(Buffer.alloc(64 * MIB));
    await turns();
    expect(connection.stats.bytesOut).toBe(0);
    expect(await server.firstEnd()).toMatchObject({ code: "ERR_SSH_ENDPOINT_TIMEOUT" });
  });

  it("a window beyond 2^32-1 ends the connection", async () => {
    await using server = await startServer({ handlers: anyForward });
    await using peer = await hostileClient(server);
    const channel = await openTo(peer, await serverSide(server), { window: 1, packetSize: 32_768 });
    channel.on("error", () => {});
    peer.protocol.channelWindowAdjust(channel.ownId, 2 ** 32 - 1);
    expect(await server.firstEnd()).toMatchObject({ code: "ERR_SSH_ENDPOINT_PROTOCOL" });
  });
});

describe("H5: more data than the window allows", () => {
  it("ends the connection before the memory fills", async () => {
    let unread = 0;
    await using server = await startServer({
      windowBytes: 65_536,
      windowBytesMax: 65_536,
      handlers: anyForward,
    });
    await using peer = await hostileClient(server);
    const channel = await openTo(peer, await serverSide(server), {
      window: MIB,
      packetSize: 32_768,
    });
    channel.on("error", () => {});
    for (let n = 0; n < 100; n++) {
      peer.protocol.channelData(channel.ownId, Buffer.alloc(32_768));
    }
    channel.once("close", () => {
      unread = channel.readableLength;
    });
    expect(await server.firstEnd()).toMatchObject({ code: "ERR_SSH_ENDPOINT_PROTOCOL" });
    expect(unread).toBeLessThanOrEqual(65_536);
  });

  it.each([
    ["events", countByEvents],
    ["for await", countByIteration],
  ])(
    "a reader (%s) that stops stops the sender, and nothing is lost when it goes on",
    async (_name, count) => {
      await using server = await startServer({
        windowBytes: 65_536,
        windowBytesMax: 262_144,
        handlers: {
          session: {
            shell: (channel) => {
              channel.resume();
              channel.write(Buffer.alloc(4 * MIB, 7));
              channel.exitWith(0);
            },
          },
        },
      });
      await using client = await connectTo(server, {
        windowBytes: 65_536,
        windowBytesMax: 262_144,
      });
      const shell = await client.openShell();
      await once(shell, "readable");
      await turns(200);
      expect(shell.readableLength).toBeLessThanOrEqual(262_144);
      expect(await count(shell)).toBe(4 * MIB);
      expect(await shell.exit).toEqual({ code: 0, signal: null });
    },
  );
});

describe("H6, H7: writing when the connection is gone", () => {
  it("a write that waits, and one that comes later, are told", async () => {
    await using server = await startServer({ handlers: anyForward });
    await using peer = await hostileClient(server);
    const channel = await openTo(peer, await serverSide(server), {
      window: 10,
      packetSize: 32_768,
    });
    const error = once(channel, "error");
    const waiting = new Promise<unknown>((resolve) => {
      channel.write(Buffer.alloc(100), resolve);
    });
    peer.socket.destroy();
    expect(await waiting).toMatchObject({ code: "ERR_SSH_ENDPOINT_CONNECTION_LOST" });
    expect((await error)[0]).toMatchObject({ code: "ERR_SSH_ENDPOINT_CONNECTION_LOST" });
    const later = new Promise<unknown>((resolve) => {
      channel.write("x", resolve);
    });
    expect(await later).toMatchObject({ code: "ERR_STREAM_DESTROYED" });
  });

  it("a write that waits when the peer closes the channel is told", async () => {
    await using server = await startServer({ handlers: anyForward });
    await using peer = await hostileClient(server);
    const channel = await openTo(peer, await serverSide(server), {
      window: 10,
      packetSize: 32_768,
    });
    const waiting = new Promise<unknown>((resolve) => {
      channel.write(Buffer.alloc(100), resolve);
    });
    peer.protocol.channelClose(channel.ownId);
    expect(await waiting).toMatchObject({ code: "ERR_SSH_ENDPOINT_CHANNEL_CLOSED" });
  });

  it.each(["closed the channel", "lost the connection"])(
    "what arrived before the peer %s can still be read",
    async (how) => {
      await using server = await startServer({ handlers: anyForward });
      await using peer = await hostileClient(server);
      const channel = await openTo(peer, await serverSide(server), {
        window: 10,
        packetSize: 32_768,
      });
      peer.protocol.channelData(channel.ownId, Buffer.from("all of it"));
      peer.protocol.channelEOF(channel.ownId);
      if (how === "closed the channel") peer.protocol.channelClose(channel.ownId);
      peer.socket.end();
      await server.firstEnd();
      const [chunk] = await once(channel, "data");
      expect(String(chunk)).toBe("all of it");
    },
  );

  it("a channel that waits for its confirmation is told", async () => {
    await using server = await startServer({ handlers: anyForward });
    await using peer = await hostileClient(server);
    const connection = await serverSide(server);
    peer.on("CHANNEL_OPEN", () => {});
    peer.protocol.tcpipForward("localhost", 1234, true);
    await peer.next("REQUEST_SUCCESS");
    const opening = connection.openForwarded("localhost", 1234);
    peer.socket.destroy();
    await expect(opening).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_CONNECTION_LOST" });
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

describe("H9: login requests at once", () => {
  it("are decided one after the other and answered in their order", async () => {
    const keys = await Promise.all(
      [1, 2, 3].map((n) => parsePrivateKey(generateKey().privateKey, `key ${n}`)),
    );
    const asked: string[] = [];
    await using server = await startServer({
      authorize: async ({ fingerprint }) => {
        asked.push(fingerprint);
        await turns();
        return fingerprint === keys[1]?.fingerprint ? { identity: "" } : { refused: "no" };
      },
    });
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const answers: string[] = [];
    const all = new Promise<void>((resolve) => {
      const note = (answer: string) => () => {
        if (answers.push(answer) === 3) resolve();
      };
      peer.on("USERAUTH_FAILURE", note("no"));
      peer.on("USERAUTH_PK_OK", note("yes"));
    });
    for (const key of keys) offerKey(peer, key.parsed);
    await all;
    expect(answers).toEqual(["no", "yes", "no"]);
    expect(asked).toEqual(keys.map((key) => key.fingerprint));
  });

  it("too many of them end the connection", async () => {
    await using server = await startServer({ authorize: () => new Promise(() => {}) });
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const [reason, text] = await (async () => {
      const told = peer.next("DISCONNECT");
      for (let n = 0; n < 20; n++) offerKey(peer, parsed);
      return told;
    })();
    expect([reason, text]).toEqual([2, "too many login requests at once"]);
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

describe("H12: a signature", () => {
  it.each(["garbage", "another key's", "none"] as const)("%s lets nobody in", async (kind) => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const other = await parsePrivateKey(generateKey().privateKey, "another");
    const sign = (data: Buffer): Buffer => {
      if (kind === "garbage") return Buffer.alloc(64, 1);
      if (kind === "none") return Buffer.alloc(0);
      return signed(other.parsed, data);
    };
    const refused = peer.next("USERAUTH_FAILURE");
    offerKey(peer, parsed, (data, callback) => callback(sign(data)));
    await refused;
    expect(server.server.connections.size).toBe(0);
    expect(server.events).toContainEqual(
      expect.objectContaining({
        is: "login-refused",
        refusal: expect.objectContaining({ reason: "the signature is wrong" }),
      }),
    );
  });

  it("the right one lets in", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const accepted = peer.next("USERAUTH_SUCCESS");
    offerKey(peer, parsed, (data, callback) => {
      callback(signed(parsed, data));
    });
    await accepted;
    expect(server.server.connections.size).toBe(1);
  });

  it("asking whether a key would do lets nobody in", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(CLIENT_KEY.privateKey, "key");
    const answered = peer.next("USERAUTH_PK_OK");
    offerKey(peer, parsed);
    await answered;
    expect(server.server.connections.size).toBe(0);
  });

  it("RSA with SHA-1 lets nobody in", async () => {
    const rsa = ssh2.utils.generateKeyPairSync("rsa", { bits: 2048 });
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    const { parsed } = await parsePrivateKey(rsa.private, "key");
    const refused = peer.next("USERAUTH_FAILURE");
    offerKey(peer, parsed, (data, callback) => {
      callback(signed(parsed, data, "sha1"));
    });
    await refused;
    expect(server.server.connections.size).toBe(0);
  });
});

describe("H13: wanting without end", () => {
  it("forwardings are capped", async () => {
    await using server = await startServer({ forwards: 2, handlers: anyForward });
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
    for (let n = 0; n < 3 * BOUNDS.toldRefusals; n++) peer.protocol.session(n, MIB, 32_768);
    const isLast = (event: (typeof server.events)[number]): boolean =>
      event.is === "connection" &&
      event.event.is === "refused" &&
      event.event.what === "further requests";
    await server.waitFor(isLast);
    await turns(50);
    expect(server.events.filter(({ is }) => is === "connection")).toHaveLength(BOUNDS.toldRefusals);
  });

  it("login tries are capped, and the client is told", async () => {
    await using server = await startServer({ authTries: 3, authorize: () => ({ refused: "no" }) });
    const keys = [1, 2, 3, 4, 5].map(() => ({ privateKey: generateKey().privateKey }));
    await expect(connectTo(server, { auth: keys })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_AUTHENTICATION",
      message: expect.stringContaining("Too many authentication failures"),
    });
    expect(server.events.filter(({ is }) => is === "login-refused")).toHaveLength(3);
  });

  it.each([
    ["says nothing", ""],
    ["says who it is and no more", "SSH-2.0-x\r\n"],
  ])("a connection that %s is closed after the grace time", async (_name, bytes) => {
    await using server = await startServer({ loginGraceMs: 100 });
    const socket = connect(server.port, "127.0.0.1");
    socket.on("error", () => {});
    socket.resume();
    socket.write(bytes);
    await once(socket, "close");
    expect(await server.waitFor(({ is }) => is === "login-ended")).toMatchObject({
      why: "no login within 0.1 s",
    });
  });

  it("connections that are not logged in are capped per source", async () => {
    await using server = await startServer({ startupsPerSource: 2 });
    const idle = [connect(server.port, "127.0.0.1"), connect(server.port, "127.0.0.1")];
    for (const socket of idle) await once(socket, "data");
    const third = connect(server.port, "127.0.0.1");
    third.on("error", () => {});
    third.resume();
    await once(third, "close");
    expect(server.events).toEqual([
      { is: "dropped", address: "127.0.0.1", why: "startups-per-source" },
    ]);
    for (const socket of idle) socket.destroy();
    await server.waitFor(({ is }) => is === "login-ended");
    await using client = await connectTo(server);
    expect(client.stats.channels).toBe(0);
  });
});

/** A request to log in with a key, with or without a signature, as ssh2's protocol object writes it. */
function offerKey(
  peer: Hostile,
  key: ssh2.ParsedKey,
  sign?: (data: Buffer, callback: (signature: Buffer) => void) => void,
): void {
  const authPK: unknown = Reflect.get(peer.protocol, "authPK");
  if (typeof authPK !== "function") throw new Error("ssh2 has no authPK");
  Reflect.apply(authPK, peer.protocol, ["tester", key, undefined, sign]);
}

function signed(key: ssh2.ParsedKey, data: Buffer, hash?: string): Buffer {
  const signature: unknown = key.sign(data, hash);
  if (!Buffer.isBuffer(signature)) throw new Error("the key cannot sign");
  return signature;
}
