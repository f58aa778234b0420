import { once } from "node:events";
import { readFileSync } from "node:fs";
import { connect, createServer, type ListenOptions, type Server, type Socket } from "node:net";
import { readToEnd } from "./ssh-read.ts";

/** Where a connection goes: a port of loopback (or of another address), or a unix socket. */
export type Place = { readonly port: number; readonly host?: string } | { readonly path: string };

/** What lies behind a tunnel. Disposal ends it and its connections. */
export interface Service extends AsyncDisposable {
  /** 0 for a unix socket. */
  readonly port: number;
  /** As -R and -L name it. */
  readonly target: string;
}

/** Listens on a free port of 127.0.0.1, or where it is told; half-close is kept. */
export async function serve(
  onConnection: (socket: Socket) => void,
  at: ListenOptions = { host: "127.0.0.1", port: 0 },
): Promise<Service> {
  const sockets = new Set<Socket>();
  const server: Server = createServer({ allowHalfOpen: true }, (socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // whoever waits for the answer is told
    socket.once("close", () => sockets.delete(socket));
    onConnection(socket);
  }).listen(at);
  await once(server, "listening");
  const address = server.address();
  if (address === null) throw new Error("it does not listen");
  const port = typeof address === "string" ? 0 : address.port;
  return {
    port,
    target: typeof address === "string" ? address : `127.0.0.1:${port}`,
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, "close");
      server.close();
      await closed;
    },
  };
}

/** Answers after the end of the request, with its name and how much it heard: nothing comes where half-close is lost. */
export function startService(name: string, at?: ListenOptions): Promise<Service> {
  const answer = async (socket: Socket): Promise<void> => {
    socket.end(`${name} heard ${(await readToEnd(socket)).length}`);
  };
  return serve((socket) => void answer(socket).catch(() => {}), at);
}

/** A connection whose own direction is not ended yet. */
export function dial(place: Place): Socket {
  return connect({ host: "127.0.0.1", ...place, allowHalfOpen: true });
}

/** Says something, ends its own direction, and reads the answer. */
export async function ask(place: Place, question: Buffer | string = "question"): Promise<string> {
  const socket = dial(place);
  socket.end(question);
  return readToEnd(socket);
}

/** Whether somebody accepts connections there. */
export async function isOpen(place: Place): Promise<boolean> {
  const socket = dial(place);
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** Whether anybody listens on the port, by what the system says: nobody is asked. */
export function isListening(port: number): boolean {
  const hex = port.toString(16).toUpperCase().padStart(4, "0");
  const listener = new RegExp(`^ *\\d+: [0-9A-F]+:${hex} \\S+ 0A `, "m"); // TCP_LISTEN of proc(5)
  return ["tcp", "tcp6"].some((name) => listener.test(readFileSync(`/proc/net/${name}`, "latin1")));
}
