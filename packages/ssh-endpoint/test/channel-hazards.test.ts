// What a bare ssh2 1.17 does wrong, or leaves to its user, with channels: hazards H2 to H7 of H1 to H13, each with a hostile or
// unlucky peer. Every test here fails when its guard is taken out.
import { once } from "node:events";
import type { ServerConnection, SshChannel } from "@dialhome/ssh-endpoint";
import { describe, expect, it } from "vitest";
import {
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

describe("standard error where there is no command", () => {
  // It lay in the window for good: after a mebibyte of it nothing came through the channel any more.
  it("is dropped, and what belongs there goes on", async () => {
    await using server = await startServer({ windowBytes: 65_536, handlers: anyForward });
    await using peer = await hostileClient(server);
    const channel = await openTo(peer, await serverSide(server), {
      window: MIB,
      packetSize: 32_768,
    });
    let left = 65_536;
    peer.on("CHANNEL_WINDOW_ADJUST", (_p: unknown, _id: number, amount: number) => {
      left += amount;
    });
    const hasRoom = async (bytes: number): Promise<void> => {
      await expect.poll(() => left, { interval: 1, timeout: 5_000 }).toBeGreaterThanOrEqual(bytes);
    };
    for (let sent = 0; sent < 4 * 65_536; sent += 8_192) {
      await hasRoom(8_192);
      left -= 8_192;
      peer.protocol.channelExtData(channel.ownId, Buffer.alloc(8_192), 1);
    }
    await hasRoom(4);
    peer.protocol.channelData(channel.ownId, Buffer.from("this"));
    const [chunk] = await once(channel, "data");
    expect(String(chunk)).toBe("this");
  });
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
