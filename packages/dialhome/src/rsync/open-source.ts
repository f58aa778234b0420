import { duplexPair } from "node:stream";
import {
  type PullSource,
  type RemoteCommand,
  remoteShellCommand,
  serverArguments,
  type TransferOptions,
} from "@dialhome/rsync-protocol-client";
import type { CommandIo } from "../io.ts";
import { startOnSocket, startProgram } from "./child-transport.ts";
import { connectToDaemon } from "./connect.ts";
import { syntaxError } from "./errors.ts";
import { readPassword } from "./password.ts";
import { isSshProgram, parseRemoteShell } from "./remote-shell.ts";
import type { RsyncSettings } from "./settings.ts";
import type { DaemonSource, LocalSource, RsyncSource, ShellSource } from "./source.ts";
import type { Transport } from "./transport.ts";

/** What a pull needs to know of its source. */
export interface OpenedSource {
  readonly transport: Transport;
  readonly source: PullSource;
}

/** Connects to where the files are, or starts what has them. */
export async function openSource(
  source: RsyncSource,
  settings: RsyncSettings,
  options: TransferOptions & { readonly listOnly: boolean },
  io: CommandIo,
): Promise<OpenedSource> {
  switch (source.is) {
    case "daemon":
      return openDaemon(source, settings, io);
    case "shell":
      return openShell(source, settings, options, io);
    case "local":
      return openLocal(source, options, io);
    default:
      throw new Error(`no such source: ${String(source satisfies never)}`);
  }
}

async function openDaemon(
  source: DaemonSource,
  settings: RsyncSettings,
  io: CommandIo,
): Promise<OpenedSource> {
  // As rsync: the account's name, where the source does not say it.
  const user = source.user ?? io.env["USER"] ?? io.env["LOGNAME"] ?? "nobody";
  return {
    transport: await daemonTransport(source, settings, io),
    source: {
      kind: "daemon",
      module: source.module,
      paths: source.paths,
      wildcards: true,
      user,
      password: () => readPassword(user, settings.passwordFile, io),
    },
  };
}

/** A socket; with `-e` a daemon that a remote shell starts for this session; with RSYNC_CONNECT_PROG what that runs. */
async function daemonTransport(
  source: DaemonSource,
  settings: RsyncSettings,
  io: CommandIo,
): Promise<Transport> {
  if (settings.rsh !== undefined) {
    const words = [settings.rsyncPath ?? "rsync", "--server", "--daemon", "."];
    return runRemotely(source, { words, secludedArguments: [] }, settings, io);
  }
  const { RSYNC_CONNECT_PROG } = io.env;
  if (RSYNC_CONNECT_PROG !== undefined && RSYNC_CONNECT_PROG !== "") {
    const command = RSYNC_CONNECT_PROG.replace(/%([%H])/g, (_, what) =>
      what === "H" ? quote(source.host) : "%",
    );
    // A daemon takes the one socket that is its standard input for both directions.
    return startOnSocket("/bin/sh", ["-c", command], io);
  }
  const socket = await connectToDaemon(source, settings, io.signal);
  return { stream: socket, ended: async () => undefined, destroy: () => socket.destroy() };
}

/** A host's name that the shell must not take for anything else. */
function quote(host: string): string {
  if (!/^[\w.:%[\]-]+$/.test(host)) {
    throw syntaxError("the host's name does not go with RSYNC_CONNECT_PROG");
  }
  return host;
}

async function openShell(
  source: ShellSource,
  settings: RsyncSettings,
  options: TransferOptions & { readonly listOnly: boolean },
  io: CommandIo,
): Promise<OpenedSource> {
  if (settings.passwordFile !== undefined) {
    throw syntaxError("--password-file may only be used when accessing an rsync daemon");
  }
  if (settings.contimeoutSeconds > 0) {
    throw syntaxError("--contimeout may only be used when connecting to an rsync daemon");
  }
  const { flags, negated } = settings;
  const command = remoteShellCommand(options, source.paths, {
    ...(settings.rsyncPath === undefined ? {} : { program: settings.rsyncPath }),
    arguments:
      flags.has("secludedArgs") ||
      (isOn(io.env["RSYNC_PROTECT_ARGS"]) && !negated.has("secludedArgs"))
        ? "secluded"
        : flags.has("oldArgs") || (isOn(io.env["RSYNC_OLD_ARGS"]) && !negated.has("oldArgs"))
          ? "old"
          : "escaped",
    remoteOptions: settings.remoteOptions,
  });
  return {
    transport: await runRemotely(source, command, settings, io),
    source: {
      kind: "server",
      paths: source.paths.map((path) => (path === "" ? "." : path)),
      secludedArguments: command.secludedArguments,
    },
  };
}

function isOn(value: string | undefined): boolean {
  return value !== undefined && value !== "" && value !== "0";
}

/** Runs a command behind the remote shell: ssh in this process, or the program that was named. */
async function runRemotely(
  { host, user }: Pick<ShellSource, "host" | "user">,
  { words }: RemoteCommand,
  settings: RsyncSettings,
  io: CommandIo,
): Promise<Transport> {
  const shell = parseRemoteShell(settings.rsh ?? io.env["RSYNC_RSH"]);
  if (shell.is === "ssh") {
    const { runOverSsh } = await import("./ssh-transport.ts");
    return runOverSsh({ host, user }, words.join(" "), shell.options, settings, io);
  }
  const { flags } = settings;
  const family = flags.has("ipv4") ? ["-4"] : flags.has("ipv6") ? ["-6"] : [];
  const args = [
    ...shell.args,
    ...(user === undefined ? [] : ["-l", user]),
    ...(isSshProgram(shell.program) ? family : []),
    host,
    ...words.map((word) => Buffer.from(word, "latin1").toString("utf8")),
  ];
  return startProgram(shell.program, args, io);
}

/** A sender in this process, with the two ends of a pair between. */
async function openLocal(
  source: LocalSource,
  options: TransferOptions & { readonly listOnly: boolean },
  io: CommandIo,
): Promise<OpenedSource> {
  const { serveSender } = await import("@dialhome/rsync-protocol-daemon");
  const [stream, far] = duplexPair();
  const stop = new AbortController();
  const argv = [...serverArguments(options, []), ...source.paths];
  const serving = serveSender(far, argv, {
    cwd: io.cwd,
    cvsIgnore: options.cvsIgnore ?? [],
    signal: AbortSignal.any([io.signal, stop.signal]),
  });
  return {
    transport: {
      stream,
      ended: async () => (await serving).exitCode,
      destroy: () => {
        stop.abort();
        stream.destroy();
        far.destroy();
      },
    },
    source: { kind: "server", paths: source.paths.map(escapeLiterally) },
  };
}

/** No shell is between: the name of a local source has no wildcards. */
function escapeLiterally(path: string): string {
  return path.replace(/[*?[\]\\]/g, "\\$&");
}
