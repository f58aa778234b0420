import { once } from "node:events";
import { connect, createServer } from "node:net";
import { setTimeout as pause } from "node:timers/promises";

/** A TCP port of 127.0.0.1 that nobody uses at this moment; for programs that cannot choose one themselves. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  await once(server, "close");
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return address.port;
}

/** Resolves when something accepts connections there. @throws Error when nothing does within ten seconds */
export async function waitForPort(port: number, host = "127.0.0.1"): Promise<void> {
  const until = Date.now() + 10_000;
  while (Date.now() < until) {
    const socket = connect(port, host);
    try {
      await once(socket, "connect");
      return;
    } catch {
      await pause(10); // a foreign program: there is no event to wait for
    } finally {
      socket.destroy();
    }
  }
  throw new Error(`nothing listens on ${host}:${port}`);
}
