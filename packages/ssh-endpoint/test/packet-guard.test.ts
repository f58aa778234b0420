import { describe, expect, it } from "vitest";
import {
  connectTo,
  type Hostile,
  hostileClient,
  hostileServer,
  startServer,
} from "./support/peers.ts";

/** SSH_MSG_GLOBAL_REQUEST, which wants an answer. */
function globalRequest(peer: Hostile, name: string, data: Buffer): void {
  const writer: unknown = Reflect.get(Reflect.get(peer.protocol, "_packetRW"), "write");
  const payload = Buffer.concat([
    Buffer.of(80, 0, 0, 0, name.length),
    Buffer.from(name),
    Buffer.of(1),
    data,
  ]);
  const { alloc, finalize, allocStart } = Object(writer);
  const packet: Buffer = Reflect.apply(alloc, writer, [payload.length]);
  packet.set(payload, Number(allocStart));
  peer.protocol._cipher.encrypt(Reflect.apply(finalize, writer, [packet]));
}

const HOST_KEYS = "hostkeys-00@openssh.com";
/** As many keys as fit into a packet; each took ssh2 as long as a right one. */
const KEYS: Buffer = Buffer.alloc(32_000);
const COUNT = 60;

/** How long it takes until all are answered, ms. */
async function timeOfAnswers(peer: Hostile): Promise<number> {
  const began = performance.now();
  const answered = new Promise<void>((resolve) => {
    let answers = 0;
    peer.on("REQUEST_FAILURE", () => {
      answers++;
      if (answers === COUNT) resolve();
    });
  });
  for (let n = 0; n < COUNT; n++) globalRequest(peer, HOST_KEYS, KEYS);
  await answered;
  return performance.now() - began;
}

describe("thousands of host keys in a message", () => {
  // A tenth of a second for each packet of 32 kB: one client with a key stopped all others.
  it("from a client are not read", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server);
    expect(await timeOfAnswers(peer)).toBeLessThan(2_000);
  });

  it("from a server neither", async () => {
    await using pair = await hostileServer();
    expect(await timeOfAnswers(pair.peer)).toBeLessThan(2_000);
    expect(pair.connection.stats.channels).toBe(0);
  });
});

describe("a message of the connection protocol before the login", () => {
  // ssh2 answered them all, to anybody.
  it("ends the connection of a client, and is not answered", async () => {
    await using server = await startServer();
    await using peer = await hostileClient(server, { isHeldAtLogin: true });
    let answers = 0;
    peer.on("REQUEST_FAILURE", () => answers++);
    peer.on("CHANNEL_OPEN_FAILURE", () => answers++);
    peer.socket.on("error", () => {});
    globalRequest(peer, "tcpip-forward", Buffer.alloc(8));
    peer.protocol.session(0, 1 << 20, 32_768);
    const ended = await server.waitFor(({ is }) => is === "login-ended");
    expect(ended).toMatchObject({ why: "a request before the login" });
    expect(answers).toBe(0);
    await using good = await connectTo(server);
    expect(good.stats.channels).toBe(0);
  });

  it("ends the connection to a server", async () => {
    const before = hostileServer({}, (peer) => globalRequest(peer, HOST_KEYS, KEYS));
    await expect(before).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_PROTOCOL",
      message: expect.stringMatching(/the server broke the protocol: a request before the login$/),
    });
  });
});
