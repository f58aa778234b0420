import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";

const LOOPBACK = "127.0.0.1";

/**
 * Two ends of a TCP connection within this machine, neither of which reads yet. A daemon that is given one sees a client of
 * 127.0.0.1, as rsyncd.conf's `hosts allow` wants it: of a pair of any other kind it cannot tell the address (socket.c socketpair_tcp).
 * The caller destroys both.
 */
export async function openLoopbackPair(): Promise<readonly [Socket, Socket]> {
  const server = createServer({ pauseOnConnect: true });
  server.listen(0, LOOPBACK, 1);
  try {
    await once(server, "listening");
    const address = server.address();
    if (address === null || typeof address === "string") throw new Error("no port to listen on");
    const near = connect(address.port, LOOPBACK);
    try {
      const far = await acceptFrom(server, near);
      return [near, far];
    } catch (error) {
      near.destroy();
      throw error;
    }
  } finally {
    server.close();
  }
}

/** The other end of `near`; whoever else has found the port is sent away. */
async function acceptFrom(server: ReturnType<typeof createServer>, near: Socket): Promise<Socket> {
  const accepted: Socket[] = [];
  const onConnection = (socket: Socket): void => void accepted.push(socket);
  server.on("connection", onConnection);
  await once(near, "connect");
  for (;;) {
    const found = accepted.findIndex(({ remotePort }) => remotePort === near.localPort);
    const [far] = found < 0 ? [] : accepted.splice(found, 1);
    if (far !== undefined) {
      server.off("connection", onConnection);
      server.on("connection", (late: Socket) => late.destroy());
      for (const other of accepted) other.destroy();
      return far;
    }
    await once(server, "connection");
  }
}
