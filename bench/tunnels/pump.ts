import { once } from "node:events";
import { connect, createServer, type Server, type Socket } from "node:net";
import { performance } from "node:perf_hooks";
import type { Duplex } from "node:stream";

const CHUNK = Buffer.alloc(1 << 18);
const READ_BUFFER_BYTES = 1 << 18;

/** Writes so many bytes as fast as they are taken, and ends. */
export async function pumpInto(stream: Duplex, bytes: number): Promise<void> {
  for (let left = bytes; left > 0; left -= CHUNK.length) {
    const isRoom = stream.write(left < CHUNK.length ? CHUNK.subarray(0, left) : CHUNK);
    if (!isRoom) await once(stream, "drain");
  }
  stream.end();
}

/** Reads a stream to its end; gives the count. */
export async function drain(stream: Duplex): Promise<number> {
  let bytes = 0;
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length;
  });
  await once(stream, "end");
  return bytes;
}

/** A TCP end that takes everything, or gives so many bytes; one connection at a time. */
export interface TcpEnd extends AsyncDisposable {
  readonly port: number;
  /** For a taker: the bytes of the next connection that ends. */
  taken(): Promise<number>;
}

/** Listens and reads every connection to its end, into one buffer. */
export async function startTaker(): Promise<TcpEnd> {
  const done: ((bytes: number) => void)[] = [];
  const server = createServer({ noDelay: true }, (socket) => {
    // Node's faster way to read is only for sockets that connect: here every chunk is a new buffer, for all contenders alike.
    let bytes = 0;
    socket.on("error", () => {});
    socket.on("data", (chunk: Buffer) => {
      bytes += chunk.length;
    });
    socket.on("end", () => done.shift()?.(bytes));
  });
  return endOf(server, () => new Promise((resolve) => done.push(resolve)));
}

/** Listens and gives every connection so many bytes. */
export async function startGiver(bytes: number): Promise<TcpEnd> {
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (socket) => {
    socket.on("error", () => {});
    void pumpInto(socket, bytes);
  });
  return endOf(server, async () => bytes);
}

/** Listens and answers each connection with one byte at once: what the time to the first byte is measured with. */
export async function startGreeter(): Promise<TcpEnd> {
  const server = createServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    socket.write("!");
  });
  return endOf(server, async () => 1);
}

async function endOf(server: Server, taken: () => Promise<number>): Promise<TcpEnd> {
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.once("close", () => sockets.delete(socket));
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return {
    port: address.port,
    taken,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, "close");
    },
  };
}

/** Connects to a port and reads to the end; gives the count. */
export async function readFrom(port: number): Promise<number> {
  let bytes = 0;
  const socket = connect({
    port,
    host: "127.0.0.1",
    noDelay: true,
    onread: {
      buffer: Buffer.alloc(READ_BUFFER_BYTES),
      callback: (count) => {
        bytes += count;
        return true;
      },
    },
  });
  await once(socket, "end");
  socket.destroy();
  return bytes;
}

/** Connects to a port and writes so many bytes. */
export async function writeTo(port: number, bytes: number): Promise<void> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await once(socket, "connect");
  socket.on("error", () => {}); // what did not arrive is seen by who counts
  await pumpInto(socket, bytes);
}

/** Time from the start of a connection to its first byte, ms. */
export async function timeToFirstByte(port: number): Promise<number> {
  const began = performance.now();
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  socket.on("error", () => {});
  await once(socket, "data");
  const took = performance.now() - began;
  socket.destroy();
  return took;
}
