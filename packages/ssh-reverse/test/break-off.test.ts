import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { expect, it } from "vitest";
import { breakOff } from "../src/break-off.ts";

interface Pair extends AsyncDisposable {
  readonly socket: Socket;
  readonly reader: Socket;
}

async function pair(): Promise<Pair> {
  const listener = createServer({ allowHalfOpen: true }).listen(0, "127.0.0.1");
  await once(listener, "listening");
  const address = listener.address();
  if (address === null || typeof address === "string") throw new Error("no port");
  const accepted = once(listener, "connection") as Promise<[Socket]>;
  const reader = connect({ port: address.port, host: "127.0.0.1", allowHalfOpen: true });
  reader.on("error", () => {}); // met by who reads
  const [[socket]] = await Promise.all([accepted, once(reader, "connect")]);
  return {
    socket,
    reader,
    async [Symbol.asyncDispose]() {
      reader.destroy();
      const closed = once(listener, "close");
      listener.close();
      await closed; // only when the socket is closed too
    },
  };
}

/** What a reader meets: all bytes and an end, or the code of an error. */
async function read(reader: Socket): Promise<string> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of reader) chunks.push(chunk as Buffer);
  } catch (error) {
    return String(Reflect.get(Object(error), "code"));
  }
  return `${Buffer.concat(chunks).toString()} and an end`;
}

it("resets a connection that is in the middle", async () => {
  await using both = await pair();
  both.socket.write("half");
  await once(both.reader, "readable");
  breakOff(both.socket);
  await once(both.socket, "close");
  expect(await read(both.reader)).toBe("ECONNRESET");
});

it("closes one at once whose end waits behind data that its reader does not take", async () => {
  await using both = await pair();
  both.socket.end(Buffer.alloc(20_000_000));
  breakOff(both.socket);
  await once(both.socket, "close");
  expect(both.socket.writableFinished).toBe(false);
});

it("closes one whose shutdown is on its way, with all of its data", async () => {
  await using both = await pair();
  both.socket.end("all");
  expect([both.socket.writableLength, both.socket.writableFinished]).toEqual([0, false]);
  breakOff(both.socket);
  await once(both.socket, "close");
  expect(await read(both.reader)).toBe("all and an end");
});

it("takes one whose end is through, and one that is gone", async () => {
  await using both = await pair();
  both.socket.end("all");
  await once(both.socket, "finish");
  breakOff(both.socket);
  await once(both.socket, "close");
  breakOff(both.socket);
  expect(both.socket.destroyed).toBe(true);
});
