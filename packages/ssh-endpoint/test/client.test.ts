import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { connectSsh, type SshConnectOptions } from "@dialhome/ssh-endpoint";
import ssh2 from "ssh2";
import { describe, expect, it } from "vitest";
import { protocolOf } from "../src/ssh2-internals.ts";
import { CLIENT_KEY, connectTo, startServer, turns } from "./support/peers.ts";

/** A TCP server that does something odd with each connection. */
async function startOdd(
  act: (socket: Socket) => void,
): Promise<
  { readonly options: SshConnectOptions; readonly sockets: Set<Socket> } & AsyncDisposable
> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {});
    socket.once("close", () => sockets.delete(socket));
    socket.resume(); // or its end would go unseen
    act(socket);
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  return {
    sockets,
    options: {
      host: "127.0.0.1",
      port: address.port,
      user: "tester",
      auth: { privateKey: CLIENT_KEY.privateKey },
      hostKey: { insecureAcceptAny: true },
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** What a server does, and the code of the error that a client gets for it. */
const ODD_SERVERS: readonly (readonly [string, (socket: Socket) => void, string])[] = [
  ["never speaks", () => {}, "ERR_SSH_ENDPOINT_TIMEOUT"],
  [
    "says who it is and no more",
    (socket: Socket) => void socket.write("SSH-2.0-x\r\n"),
    "ERR_SSH_ENDPOINT_TIMEOUT",
  ],
  ["hangs up at once", (socket: Socket) => void socket.end(), "ERR_SSH_ENDPOINT_HANDSHAKE"],
  [
    "is no SSH server",
    (socket: Socket) => void socket.end("HTTP/1.0 400 no\r\n\r\n"),
    "ERR_SSH_ENDPOINT_HANDSHAKE",
  ],
  [
    "floods with lines",
    (socket: Socket) => void socket.write("x\r\n".repeat(100_000)),
    "ERR_SSH_ENDPOINT_CONNECTION_LOST",
  ],
];

describe("connectSsh", () => {
  it.each(ODD_SERVERS)(
    "a server that %s is one clear line, and the socket is closed",
    async (_name, act, code) => {
      await using odd = await startOdd(act);
      const attempt = connectSsh({ ...odd.options, connectTimeoutMs: 200 });
      await expect(attempt).rejects.toMatchObject({
        code,
        message: expect.stringMatching(/^\[127\.0\.0\.1\]:\d+: [^\n]+$/),
      });
      while (odd.sockets.size > 0) await turns(1);
    },
  );

  it("is ended by its signal before, during and after the login", async () => {
    const reason = new Error("enough");
    await using odd = await startOdd(() => {});
    await expect(connectSsh({ ...odd.options, signal: AbortSignal.abort(reason) })).rejects.toBe(
      reason,
    );

    const during = new AbortController();
    const attempt = connectSsh({ ...odd.options, signal: during.signal });
    while (odd.sockets.size === 0) await turns(1);
    during.abort(reason);
    await expect(attempt).rejects.toBe(reason);

    await using server = await startServer();
    const after = new AbortController();
    const connection = await connectTo(server, { signal: after.signal });
    after.abort(reason);
    expect(await connection.closed).toEqual({});
    expect(await server.firstEnd()).toBeUndefined();
  });

  it("a passphrase function that fails is told, before anything is connected", async () => {
    await using odd = await startOdd(() => {});
    await expect(
      connectSsh({ ...odd.options, auth: { privateKey: "no key" } }),
    ).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_KEY" });
    await expect(connectSsh({ ...odd.options, auth: [] })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_OPTION",
    });
    await expect(
      connectSsh({ ...odd.options, hostKey: { fingerprints: ["MD5:aa"] } }),
    ).rejects.toMatchObject({ code: "ERR_SSH_ENDPOINT_OPTION" });
    await expect(connectSsh({ ...odd.options, keepaliveCountMax: 1 })).rejects.toMatchObject({
      code: "ERR_SSH_ENDPOINT_OPTION",
      facts: { limit: 2 },
    });
    expect(odd.sockets.size).toBe(0);
  });
});

it("a host on the way that never says whether it can go on is given up", async () => {
  const jump = new ssh2.Server({ hostKeys: [CLIENT_KEY.privateKey] }, (client) => {
    client.on("error", () => {});
    client.on("authentication", (ctx) => ctx.accept());
    client.on("ready", () => {
      protocolOf(client)._handlers["CHANNEL_OPEN"] = () => {};
    });
  });
  jump.listen(0, "127.0.0.1");
  await once(jump, "listening");
  const address = jump.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const { port } = address;
  const options = {
    host: "127.0.0.1",
    user: "tester",
    auth: { privateKey: CLIENT_KEY.privateKey },
    hostKey: { insecureAcceptAny: true },
  } as const;
  const connecting = connectSsh({
    ...options,
    host: "inner",
    connectTimeoutMs: 200,
    jump: { ...options, port },
  });
  await expect(connecting).rejects.toMatchObject({
    code: "ERR_SSH_ENDPOINT_TIMEOUT",
    message: `[127.0.0.1]:${port}: no way from it to inner: the peer did not say within 0.2 s whether it connects to inner:22`,
  });
  jump.close();
});
