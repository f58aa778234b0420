import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { resolve } from "node:path";
import {
  type AuthUser,
  type ModuleOptions,
  RsyncDaemon,
  type ServeResult,
} from "@dialhome/rsync-protocol-daemon";
import { DialhomeError, reasonOf, usageError } from "../errors.ts";
import { codeOf } from "../failure.ts";
import { formatAddress, parseListenAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { readSecretFile } from "../rsync/password.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable, printableBytes } from "../terminal/printable.ts";
import { formatBytes, formatCount } from "../terminal/sizes.ts";
import { untilAborted } from "../until-aborted.ts";

/** The options of `dialhome rsyncd`. */
export interface RsyncdFlags {
  readonly module?: readonly string[];
  readonly listen?: string;
  readonly authUser?: readonly string[];
  readonly secretsFile?: string;
  readonly motd?: string;
  readonly numericIds?: boolean;
  /** ms */
  readonly timeout?: number;
  readonly maxConnections?: number;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Without `--listen` nobody but this machine is served: there is no encryption. */
const DEFAULT_LISTEN = "127.0.0.1:873";

/** `dialhome rsyncd`: serves until it is asked to end. */
export async function runRsyncd(flags: RsyncdFlags, io: CommandIo): Promise<number> {
  const modules = readModules(flags, io);
  const listen = parseListenAddress(flags.listen ?? DEFAULT_LISTEN);
  const stop = new AbortController();
  const daemon = new RsyncDaemon({
    modules,
    signal: stop.signal,
    ...(flags.motd === undefined ? {} : { motd: flags.motd }),
  });
  const sessions = new Set<Promise<void>>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const session = serve(daemon, socket, flags, io).finally(() => sessions.delete(session));
    sessions.add(session);
  });
  server.listen({ port: listen.port, ...(listen.host === undefined ? {} : { host: listen.host }) });
  try {
    await once(server, "listening");
  } catch (cause) {
    const inUse = codeOf(cause) === "EADDRINUSE";
    const why = inUse ? "another program listens there" : reasonOf(cause);
    const message = `cannot listen on ${flags.listen ?? DEFAULT_LISTEN}: ${why}`;
    throw new DialhomeError("ERR_DIALHOME_REFUSED", message, { exitCode: 10, cause });
  }
  const bound = server.address();
  if (bound === null || typeof bound === "string") throw new Error("no TCP address");
  const { address, port } = bound;
  if (flags.json) {
    writeJsonLine(io.stdout, {
      event: "listening",
      address,
      port,
      modules: modules.map((m) => m.name),
    });
  } else {
    const names = modules.map(({ name }) => name).join(", ");
    io.stdout.write(`serving ${printable(names)} on ${formatAddress(address, port)}\n`);
  }
  await untilAborted(io.signal);
  const closed = once(server, "close");
  server.close();
  stop.abort();
  await Promise.all([closed, ...sessions]);
  return 0;
}

async function serve(
  daemon: RsyncDaemon,
  socket: Socket,
  flags: RsyncdFlags,
  io: CommandIo,
): Promise<void> {
  const peer = socket.remoteAddress ?? "unknown";
  const result = await daemon.serve(socket, { peer });
  const { module, user, exitCode, error, entries, filesSent, bytesWritten } = result;
  if (flags.json) {
    const { error: _, ...facts } = result;
    const failure =
      error === undefined ? {} : { code: error.code, message: printableBytes(error.message) };
    writeJsonLine(io.stdout, { event: "session", peer, ...facts, ...failure });
    return;
  }
  const who = `${peer}${user === undefined ? "" : ` (${printableBytes(user)})`}`;
  const where = module === undefined ? "" : ` ${printableBytes(module)}:`;
  if (error !== undefined) {
    io.stderr.write(`dialhome: ${who}:${where} ${printableBytes(error.message)}\n`);
  } else if (!flags.quiet && module !== undefined) {
    const done = `${formatCount(entries)} listed, ${formatCount(filesSent)} files sent, ${formatBytes(bytesWritten)}`;
    io.stdout.write(`${who}:${where} ${done}${describeExit(exitCode)}\n`);
  }
}

function describeExit(exitCode: ServeResult["exitCode"]): string {
  if (exitCode === 0) return "";
  return exitCode === 24 ? "; some files vanished" : `; not all could be sent (code ${exitCode})`;
}

function readModules(flags: RsyncdFlags, io: CommandIo): ModuleOptions[] {
  if (flags.module === undefined) throw usageError("--module NAME=PATH is missing");
  const { maxConnections } = flags;
  if (maxConnections !== undefined && !(Number.isInteger(maxConnections) && maxConnections >= 0)) {
    throw usageError("--max-connections takes a whole number");
  }
  const authUsers = readUsers(flags, io);
  return flags.module.map((text) => {
    const equals = text.indexOf("=");
    if (equals < 1 || equals === text.length - 1) {
      throw usageError(`module "${text}" is not of the form name=path`);
    }
    return {
      name: text.slice(0, equals),
      path: resolve(io.cwd, text.slice(equals + 1)),
      numericIds: flags.numericIds ?? false,
      timeoutSeconds: Math.ceil((flags.timeout ?? 0) / 1000),
      maxConnections: maxConnections ?? 0,
      ...(authUsers === undefined ? {} : { authUsers }),
    };
  });
}

/** The users with their passwords; every user that is named must have one. */
function readUsers(flags: RsyncdFlags, io: CommandIo): readonly AuthUser[] | undefined {
  const { authUser, secretsFile } = flags;
  if (authUser === undefined && secretsFile === undefined) return undefined;
  if (authUser === undefined || secretsFile === undefined) {
    throw usageError("--auth-user and --secrets-file go together");
  }
  const secrets = new Map<string, string>();
  for (const line of readSecretFile(resolve(io.cwd, secretsFile)).split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon > 0 && !line.startsWith("#"))
      secrets.set(line.slice(0, colon), line.slice(colon + 1));
  }
  return authUser.map((user) => {
    const secret = secrets.get(user);
    if (secret !== undefined) return { user, secret };
    throw usageError(`the secrets file has no line for user "${user}"`);
  });
}
