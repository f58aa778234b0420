import { once } from "node:events";
import { chmodSync, mkdirSync } from "node:fs";
import { connect, createServer, type Socket } from "node:net";
import { dirname, join, resolve } from "node:path";
import { freeSocketPath, type TunnelStatus } from "@dialhome/ssh-reverse";
import { DialhomeError, reasonOf } from "../errors.ts";
import { codeOf } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { stateFolder } from "../state-folder.ts";

/** What the server says to whoever may open its control socket. */
export interface ServerStatus {
  readonly pid: number;
  readonly version: string;
  /** ms since 1970 */
  readonly since: number;
  /** Where it listens for devices: `address:port`. */
  readonly listens: string;
  readonly tunnels: readonly TunnelStatus[];
}

/** Where the control socket lies. */
export interface ControlFlags {
  readonly state?: string;
  readonly control?: string;
}

/** A socket that is read as slowly as this is cut, ms; an answer as long as this is not read, bytes. */
const LIMITS = { timeoutMs: 5_000, answerBytes: 256 * 1024 * 1024, connections: 16 } as const;

/** The path of the control socket. */
export function controlPath(flags: ControlFlags, io: Pick<CommandIo, "cwd" | "env">): string {
  if (flags.control !== undefined) return resolve(io.cwd, flags.control);
  const folder = flags.state === undefined ? stateFolder(io) : resolve(io.cwd, flags.state);
  return join(folder, "serve.sock");
}

/** Listens on the control socket: whoever connects is told the status, and nothing is read from him. */
export async function openControlSocket(
  path: string,
  status: () => ServerStatus,
): Promise<AsyncDisposable> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on("error", () => {}); // whoever asked has gone
    socket.once("close", () => sockets.delete(socket));
    socket.setTimeout(LIMITS.timeoutMs, () => socket.destroy());
    socket.end(`${JSON.stringify(status())}\n`);
  });
  server.maxConnections = LIMITS.connections;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    const why = await freeSocketPath(path);
    if (why !== undefined) throw new Error(why);
    server.listen({ path });
    // It is bound by now, or an error is on its way; nobody could connect in between.
    if (server.listening) chmodSync(path, 0o600);
    await once(server, "listening");
    server.on("error", () => {}); // of one accept: the next may work
  } catch (cause) {
    const message = `cannot have the control socket "${path}": ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_REFUSED", message, { cause });
  }
  return {
    async [Symbol.asyncDispose]() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/** Asks a running server. @throws DialhomeError where none answers */
export async function askServer(path: string): Promise<ServerStatus> {
  const socket = connect({ path });
  socket.setTimeout(LIMITS.timeoutMs, () => socket.destroy(new Error("it does not answer")));
  try {
    const chunks: Buffer[] = [];
    let bytes = 0;
    for await (const chunk of socket) {
      if (!Buffer.isBuffer(chunk)) throw new Error("no bytes");
      bytes += chunk.length;
      if (bytes > LIMITS.answerBytes) throw new Error("its answer is too long");
      chunks.push(chunk);
    }
    const answer: unknown = JSON.parse(Buffer.concat(chunks).toString());
    if (!isStatus(answer)) throw new Error("it is no server of this version");
    return answer;
  } catch (cause) {
    const why = WHY_NO_ANSWER[codeOf(cause)] ?? reasonOf(cause);
    const message = `no server answers at "${path}": ${why}`;
    throw new DialhomeError("ERR_DIALHOME_REFUSED", message, { cause });
  } finally {
    socket.destroy();
  }
}

const WHY_NO_ANSWER: Readonly<Record<string, string>> = {
  ENOENT: "nothing is there; does dialhome serve run, with this --control or --state?",
  ECONNREFUSED: "the server that was there has ended",
  EACCES: "it belongs to another user",
};

function isStatus(answer: unknown): answer is ServerStatus {
  return (
    typeof answer === "object" && answer !== null && Array.isArray(Reflect.get(answer, "tunnels"))
  );
}
