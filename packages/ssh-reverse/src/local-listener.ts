import { once } from "node:events";
import { chmodSync, lstatSync, unlinkSync } from "node:fs";
import { connect, createServer, type Server, type Socket } from "node:net";
import type { ForwardOrigin, SshConnection } from "@dialhome/ssh-endpoint";
import { breakOff } from "./break-off.ts";
import { DEFAULTS } from "./constants.ts";
import { SshReverseError } from "./errors.ts";
import type { LocalForward } from "./forward.ts";
import { SPLICED_SOCKET, splice } from "./splice.ts";
import type { SocketTarget, TargetFailure } from "./target.ts";

/** A local forwarding in force. */
export interface LocalListener {
  /** The port, also where the system chose it; 0 for a unix socket. */
  readonly port: number;
  /** Stops listening and ends its connections; nothing is left when it resolves. */
  close(): Promise<void>;
}

/**
 * Listens on this machine (`ssh -L`); each connection becomes a channel that the server leads to the target. One that it
 * cannot be led to is reset, and told to `onFailure`. Loopback is both `127.0.0.1` and `::1`, as with ssh.
 *
 * @param port - instead of the forwarding's own, where that is 0
 * @throws SshReverseError `ERR_SSH_REVERSE_LISTEN`
 */
export async function listenLocally(
  forward: LocalForward,
  port: number,
  connection: SshConnection,
  onFailure: (failure: TargetFailure) => void,
): Promise<LocalListener> {
  const { target } = forward;
  const sockets = new Set<Socket>();
  const serving = new Set<Promise<void>>();
  const serve = (socket: Socket): void => {
    sockets.add(socket);
    socket.on("error", () => {}); // seen by splice(); until then nobody listens
    const served = serveConnection(socket, target, connection, onFailure);
    serving.add(served);
    void served.finally(() => {
      serving.delete(served);
      sockets.delete(socket);
    });
  };
  const servers: Server[] = [];
  const close = async (): Promise<void> => {
    const closed = servers.map((server) => once(server, "close"));
    for (const server of servers) server.close();
    for (const socket of sockets) socket.destroy();
    await Promise.all([...closed, ...serving]);
  };
  try {
    if ("bindPath" in forward) {
      servers.push(await bindSocket(forward.bindPath, serve));
      return { port: 0, close };
    }
    let bound = port;
    for (const host of hostsOf(forward.bindAddress)) {
      const server = await bindPort(host, bound, servers.length === 0, serve);
      if (server === undefined) continue;
      servers.push(server);
      bound = portOf(server);
      if (host === "::") break; // it takes the connections of IPv4, too
    }
    return { port: bound, close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function serveConnection(
  socket: Socket,
  target: SocketTarget,
  connection: SshConnection,
  onFailure: (failure: TargetFailure) => void,
): Promise<void> {
  const origin: ForwardOrigin = {
    address: socket.remoteAddress ?? "",
    port: socket.remotePort ?? 0,
  };
  try {
    const channel =
      "path" in target
        ? await connection.openDirectSocket(target.path)
        : await connection.openDirect(target.host, target.port, origin);
    await splice(socket, channel);
  } catch (error) {
    onFailure({ target, origin, error: error instanceof Error ? error : new Error(String(error)) });
    // A plain end would look as if the target had nothing to say.
    breakOff(socket);
  } finally {
    socket.destroy();
  }
}

/** Addresses to listen on; the first must work, the others where the machine has their kind. */
function hostsOf(bindAddress = "localhost"): readonly string[] {
  if (bindAddress === "localhost") return ["127.0.0.1", "::1"];
  return bindAddress === "" ? ["::", "0.0.0.0"] : [bindAddress];
}

/** The listener; undefined where the machine has no such kind of address and that does not matter. */
async function bindPort(
  host: string,
  port: number,
  isFirst: boolean,
  serve: (socket: Socket) => void,
): Promise<Server | undefined> {
  const server = createServer({ noDelay: true, ...SPLICED_SOCKET }, serve);
  try {
    server.listen({ host, port, backlog: DEFAULTS.listenBacklog });
    await once(server, "listening");
    server.on("error", () => {}); // of one accept: the next may work
    return server;
  } catch (cause) {
    const code = codeOf(cause);
    const isNotThere = code === "EADDRNOTAVAIL" || code === "EAFNOSUPPORT";
    if (isNotThere && (!isFirst || host === "::")) return undefined;
    throw listenError(`port ${port} of ${host}`, cause);
  }
}

/** A socket file that only its owner may connect to. One that a killed process left is replaced. */
async function bindSocket(path: string, serve: (socket: Socket) => void): Promise<Server> {
  for (let isSecond = false; ; isSecond = true) {
    const server = createServer({ ...SPLICED_SOCKET }, serve);
    try {
      server.listen({ path, backlog: DEFAULTS.listenBacklog });
      // It is bound by now, or an error is on its way; nobody could connect in between.
      if (server.listening) chmodSync(path, 0o600);
      await once(server, "listening");
      server.on("error", () => {});
      return server;
    } catch (cause) {
      server.close();
      if (isSecond || codeOf(cause) !== "EADDRINUSE" || !(await isAbandoned(path))) {
        throw listenError(`the socket ${path}`, cause);
      }
      unlinkSync(path);
    }
  }
}

/** Whether a socket file has nobody behind it. */
async function isAbandoned(path: string): Promise<boolean> {
  const socket = connect({ path });
  try {
    await once(socket, "connect");
    return false;
  } catch (error) {
    // Files of other kinds refuse in the same words, and stay.
    return codeOf(error) === "ECONNREFUSED" && lstatSync(path).isSocket();
  } finally {
    socket.destroy();
  }
}

function portOf(server: Server): number {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("no TCP address");
  return address.port;
}

function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : "";
}

const WHY: Readonly<Record<string, string>> = {
  EADDRINUSE: "another program listens there",
  EACCES: "this user may not",
  EADDRNOTAVAIL: "no network interface has that address",
};

function listenError(where: string, cause: unknown): SshReverseError {
  const why = WHY[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause));
  return new SshReverseError("ERR_SSH_REVERSE_LISTEN", `cannot listen on ${where}: ${why}`, {
    cause,
  });
}
