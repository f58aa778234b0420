import { once } from "node:events";
import { rmSync, writeFileSync } from "node:fs";
import { createServer, type Server, type Socket } from "node:net";
import { capabilities } from "@dialhome/posix-fs";
import type { RsyncError } from "@dialhome/rsync-protocol";
import {
  type ModuleOptions,
  RsyncDaemon,
  type SentFile,
  type ServeResult,
} from "@dialhome/rsync-protocol-daemon";
import { DialhomeError, reasonOf } from "../errors.ts";
import { codeOf } from "../failure.ts";
import { formatAddress, parseListenAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { LogFiles } from "../rsyncd/log-files.ts";
import { type RsyncdSettings, readSettings } from "../rsyncd/settings.ts";
import { formatTransfer } from "../rsyncd/transfer-log.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable, printableBytes } from "../terminal/printable.ts";
import { formatBytes, formatCount } from "../terminal/sizes.ts";
import { untilAborted } from "../until-aborted.ts";

/** The options of `dialhome rsyncd`. */
export interface RsyncdFlags {
  readonly module?: readonly string[];
  readonly config?: string;
  readonly listen?: string;
  readonly authUser?: readonly string[];
  readonly secretsFile?: string;
  readonly motd?: string;
  readonly numericIds?: boolean;
  /** ms */
  readonly timeout?: number;
  readonly maxConnections?: number;
  readonly logFile?: string;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** Without `--listen` and `address` nobody but this machine is served: there is no encryption. */
const DEFAULT_HOST = "127.0.0.1";
/** rsync's port. */
const DEFAULT_PORT = 873;

/** `dialhome rsyncd`: serves until it is asked to end. */
export async function runRsyncd(flags: RsyncdFlags, io: CommandIo): Promise<number> {
  const settings = readSettings(flags, io);
  using logs = new LogFiles(process.pid);
  const served = new Served(flags, io, logs);
  served.prepare(settings);
  const stop = new AbortController();
  const modules = served.modulesOf(settings);
  const daemon = new RsyncDaemon({ modules, signal: stop.signal, ...motdOf(settings) });
  const sessions = new Set<Promise<void>>();
  const server = createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    const session = served.serve(daemon, socket).finally(() => sessions.delete(session));
    sessions.add(session);
  });
  await listen(server, flags, settings);
  if (settings.pidFile !== undefined) writePidFile(settings.pidFile);
  const hangup = io.process?.onHangup(() => served.reload(daemon));
  try {
    becomeUser(settings, io);
    served.begin(server, settings);
    await untilAborted(io.signal);
  } finally {
    hangup?.();
    const closed = once(server, "close");
    server.close();
    stop.abort();
    await Promise.all([closed, ...sessions]);
    if (settings.pidFile !== undefined) rmSync(settings.pidFile, { force: true });
  }
  served.say(settings.logFile, "ended on request");
  return 0;
}

/** What is said about sessions, and where. */
class Served {
  readonly #flags: RsyncdFlags;
  readonly #io: CommandIo;
  readonly #logs: LogFiles;
  #logFile: string | undefined;

  constructor(flags: RsyncdFlags, io: CommandIo, logs: LogFiles) {
    this.#flags = flags;
    this.#io = io;
    this.#logs = logs;
  }

  /** Opens the log files. */
  prepare(settings: RsyncdSettings): void {
    this.#logFile = settings.logFile;
    const files = [settings.logFile, ...settings.modules.map(({ logFile }) => logFile)];
    for (const file of files) if (file !== undefined) this.#logs.prepare(file);
  }

  modulesOf(settings: RsyncdSettings): ModuleOptions[] {
    return settings.modules.map((module) => {
      const { transferLogFormat, logFile, ...rest } = module;
      if (transferLogFormat === undefined) return rest;
      const onFileSent = (file: SentFile): void => {
        const name = Buffer.from(module.name).toString("latin1");
        const line = formatTransfer(transferLogFormat, {
          ...file,
          address: file.peer,
          module: name,
          modulePath: Buffer.from(module.path).toString("latin1"),
          pid: process.pid,
          time: new Date(),
        });
        this.#tellTransfer(logFile ?? this.#logFile, line, name, file);
      };
      return { ...rest, onFileSent };
    });
  }

  begin(server: Server, { modules, notes, logFile }: RsyncdSettings): void {
    const bound = server.address();
    if (bound === null || typeof bound === "string") throw new Error("no TCP address");
    const { address, port } = bound;
    const names = modules.map(({ name }) => name);
    if (this.#flags.json) {
      writeJsonLine(this.#io.stdout, { event: "listening", address, port, modules: names });
    } else {
      const where = formatAddress(address, port);
      this.#io.stdout.write(`serving ${printable(names.join(", "))} on ${where}\n`);
    }
    this.say(logFile, `listening on ${formatAddress(address, port)}`);
    if (!this.#flags.quiet) for (const note of notes) this.#warn(`without effect: ${note}`);
  }

  /** A line for the log file, if there is one. */
  say(file: string | undefined, line: string): void {
    if (file !== undefined) this.#logs.write(file, printableBytes(line));
  }

  #warn(line: string): void {
    this.#io.stderr.write(`dialhome: ${line}\n`);
    this.say(this.#logFile, line);
  }

  /** SIGHUP: log files are opened anew, and the configuration is read again. A wrong one changes nothing. */
  reload(daemon: RsyncDaemon): void {
    this.#logs.reopen();
    try {
      const settings = readSettings(this.#flags, this.#io);
      this.prepare(settings);
      daemon.reconfigure({ modules: this.modulesOf(settings), ...motdOf(settings) });
      this.#warn(`configuration read again: ${settings.modules.map((m) => m.name).join(", ")}`);
    } catch (error) {
      this.#warn(`the configuration stays as it was: ${reasonOf(error)}`);
    }
  }

  async serve(daemon: RsyncDaemon, socket: Socket): Promise<void> {
    const peer = socket.remoteAddress ?? "unknown";
    const result = await daemon.serve(socket, { peer });
    const { module, user, error } = result;
    const who = `${peer}${user === undefined ? "" : ` (${printableBytes(user)})`}`;
    const where = module === undefined ? "" : ` ${printableBytes(module)}:`;
    const line = error === undefined ? describe(result) : printableBytes(reasonInLog(error));
    if (module !== undefined || error !== undefined) {
      this.say(this.#logFile, `${who}:${where} ${line}`);
    }
    if (this.#flags.json) {
      const { error: _, ...facts } = result;
      const failure = error === undefined ? {} : { code: error.code, message: line };
      writeJsonLine(this.#io.stdout, { event: "session", peer, ...facts, ...failure });
    } else if (error !== undefined) this.#io.stderr.write(`dialhome: ${who}:${where} ${line}\n`);
    else if (!this.#flags.quiet && module !== undefined) {
      this.#io.stdout.write(`${who}:${where} ${line}\n`);
    }
  }

  #tellTransfer(logFile: string | undefined, line: string, module: string, file: SentFile): void {
    if (this.#flags.json) {
      const { path, peer, user, size, literalBytes } = file;
      const facts = { peer, user, size, literalBytes, path: printableBytes(path) };
      writeJsonLine(this.#io.stdout, { event: "sent", module, ...facts });
    } else if (logFile === undefined && !this.#flags.quiet) {
      this.#io.stdout.write(`${printableBytes(line)}\n`);
    }
    this.say(logFile, line);
  }
}

function describe({ entries, filesSent, bytesWritten, exitCode }: ServeResult): string {
  const done = `${formatCount(entries)} listed, ${formatCount(filesSent)} files sent, ${formatBytes(bytesWritten)}`;
  if (exitCode === 0) return done;
  const why = exitCode === 24 ? "some files vanished" : `not all could be sent (code ${exitCode})`;
  return `${done}; ${why}`;
}

/** What the log tells may be more than what the client hears. */
function reasonInLog(error: RsyncError): string {
  return typeof error.cause === "string" ? error.cause : error.message;
}

function motdOf({ motd }: RsyncdSettings): { motd?: string } {
  return motd === undefined ? {} : { motd };
}

async function listen(server: Server, flags: RsyncdFlags, settings: RsyncdSettings): Promise<void> {
  const { address = DEFAULT_HOST, port = DEFAULT_PORT, backlog } = settings;
  const wanted =
    flags.listen === undefined ? { host: address, port } : parseListenAddress(flags.listen);
  const host = wanted.host === undefined ? {} : { host: wanted.host };
  server.listen({ port: wanted.port, ...host, ...(backlog ? { backlog } : {}) });
  try {
    await once(server, "listening");
  } catch (cause) {
    const inUse = codeOf(cause) === "EADDRINUSE";
    const why = inUse ? "another program listens there" : reasonOf(cause);
    const where = flags.listen ?? formatAddress(address, port);
    throw new DialhomeError("ERR_DIALHOME_REFUSED", `cannot listen on ${where}: ${why}`, {
      exitCode: 10,
      cause,
    });
  }
}

/** Becomes the user that the configuration names, once for all modules: the port is bound and secrets are read. */
function becomeUser({ uid, gid }: RsyncdSettings, io: CommandIo): void {
  if (uid === undefined && gid === undefined) return;
  // What is loaded at its first use must be there while it may still be read.
  capabilities();
  try {
    io.process?.become(uid, gid);
  } catch (cause) {
    const who = [uid, gid].filter((id) => id !== undefined).join(":");
    const message = `cannot become ${who}: ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_REFUSED", message, { exitCode: 10, cause });
  }
}

function writePidFile(path: string): void {
  try {
    writeFileSync(path, `${process.pid}\n`, { mode: 0o644 });
  } catch (cause) {
    const message = `cannot write the pid file "${path}": ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_REFUSED", message, { exitCode: 10, cause });
  }
}
