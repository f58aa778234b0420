import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import type { ForwardAnswer, ForwardWish } from "@dialhome/ssh-endpoint";
import { DEFAULTS } from "./constants.ts";
import type { TunnelConnection } from "./server.ts";
import { splice } from "./splice.ts";

/**
 * Binds a TCP port for a forwarding; each connection to it becomes a channel. The port is free again when `close` of the
 * answer resolves; its connections stay when the forwarding was cancelled, and are destroyed when the SSH connection ended.
 */
export async function bindForward(
  wish: ForwardWish,
  where: { readonly host: string; readonly port: number },
  connection: TunnelConnection,
): Promise<ForwardAnswer> {
  const sockets = new Set<Socket>();
  const serving = new Set<Promise<void>>();
  const listener = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // seen by splice(); until then nobody listens
    socket.once("close", () => sockets.delete(socket));
    const served = serve(socket, wish, port, connection);
    serving.add(served);
    void served.finally(() => serving.delete(served));
  });
  let port = where.port;
  try {
    listener.listen({ host: where.host, port, backlog: DEFAULTS.listenBacklog });
    await once(listener, "listening");
  } catch (error) {
    return { refused: error instanceof Error ? error.message : String(error) };
  }
  const address = listener.address();
  if (address !== null && typeof address === "object") port = address.port;
  return {
    port: wish.bindPort === 0 ? port : wish.bindPort,
    close: async (why) => {
      const closed = once(listener, "close");
      listener.close(); // frees the port at once; the event waits for the connections
      if (why === "cancelled") return;
      for (const socket of sockets) socket.destroy();
      await closed;
      await Promise.all(serving);
    },
  };
}

async function serve(
  socket: Socket,
  wish: ForwardWish,
  port: number,
  connection: TunnelConnection,
): Promise<void> {
  try {
    const origin = { address: socket.remoteAddress ?? "", port: socket.remotePort ?? 0 };
    const channel = await connection.openForwarded(
      wish.bindAddress,
      wish.bindPort === 0 ? port : wish.bindPort,
      origin,
    );
    await splice(socket, channel);
  } catch {
    // Refused by the client, or broken off: the socket's end is all that its owner can see.
  } finally {
    socket.destroy();
  }
}
