import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { Duplex } from "node:stream";
import { describe, expect, it } from "vitest";
import { BOUNDS } from "../src/constants.ts";
import { brakeReading } from "../src/read-brake.ts";
import { hostileClient, startServer, turns } from "./support/peers.ts";

const MIB = 1024 * 1024;

describe("brakeReading", () => {
  it("stops reading while too much waits to be taken, and goes on when all is", async () => {
    const taken: (() => void)[] = [];
    const read: string[] = [];
    const stream = new Duplex({ read: () => {}, write: (_c, _e, done) => void taken.push(done) });
    stream.on("data", (chunk: Buffer) => read.push(chunk.toString()));
    brakeReading(stream);
    for (const text of ["a", "b", "c"]) {
      stream.write(Buffer.alloc(BOUNDS.unreadAnswerBytes / 2));
      stream.push(text);
      await turns(2);
    }
    expect(read).toEqual(["a", "b"]);
    while (stream.writableLength > 0) {
      taken.shift()?.();
      await turns(2);
    }
    expect(read).toEqual(["a", "b", "c"]);
  });
});

describe("a client that asks without end and never reads an answer", () => {
  it("fills no memory: the server reads no more of it", async () => {
    await using server = await startServer();
    // The server's side of the connection, as one that the client takes nothing of.
    let accepted: Socket | undefined;
    const front = createServer((socket) => {
      accepted = socket;
      server.server.serve(socket);
    }).listen(0, "127.0.0.1");
    await once(front, "listening");
    const address = front.address();
    if (address === null || typeof address === "string") throw new Error("no port");
    await using peer = await hostileClient({ ...server, port: address.port });
    await server.waitFor(({ is }) => is === "opened");
    if (accepted === undefined) throw new Error("no connection");
    accepted._write = () => {};
    Object.assign(accepted, { _writev: null });
    const ask = async (times: number): Promise<void> => {
      for (let n = 0; n < times; n++) peer.protocol.session(n, MIB, 32_768);
      await turns(100);
    };
    await ask(400);
    const first = accepted.writableLength;
    expect(first).toBeGreaterThan(400 * 32);
    accepted.write(Buffer.alloc(BOUNDS.unreadAnswerBytes));
    await ask(400); // seen too late, maybe
    expect(accepted.isPaused()).toBe(true);
    const held = accepted.writableLength;
    await ask(400);
    expect(accepted.writableLength).toBe(held);
    const { socket } = peer;
    socket.destroy();
    accepted.destroy();
    front.close();
    await once(front, "close");
  });
});
