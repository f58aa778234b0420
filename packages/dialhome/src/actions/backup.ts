import { readFile } from "node:fs/promises";
import { resolve } from "node:path";
import {
  applyPriority,
  type BackUpResult,
  backUp,
  machineName,
  type NameSource,
  parsePriority,
} from "@dialhome/reverse-backup";
import { connectSsh, type SshConnection } from "@dialhome/ssh-endpoint";
import { DialhomeError, reasonOf, usageError } from "../errors.ts";
import { codeOf, describeFailure, exitCodeOf } from "../failure.ts";
import { parseHostAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { printable, printableBytes } from "../terminal/printable.ts";
import { openSentMeter } from "../terminal/sent-meter.ts";
import { formatBytes } from "../terminal/sizes.ts";
import { type SshHostFlags, sshHost } from "./ssh-login.ts";

/** The options of `dialhome backup`. */
export interface BackupFlags extends SshHostFlags {
  readonly name?: string;
  readonly nameFile?: string;
  readonly nameRpi?: boolean;
  readonly filterFile?: string;
  readonly filterDirFile?: string;
  readonly oneFileSystem?: boolean;
  readonly fakeSuper?: boolean;
  readonly attributes?: boolean;
  readonly rsync?: string;
  readonly rsyncUser?: boolean;
  readonly port?: number;
  readonly connectTimeout?: number;
  readonly handshakeTimeout?: number;
  readonly nice?: string;
  readonly progress?: boolean;
  readonly quiet?: boolean;
  readonly json?: boolean;
}

/** As long as the original waits for a connection, ms. */
const CONNECT_TIMEOUT_MS = 180_000;

/** `dialhome backup`: connects, asks for a backup of `path`, and serves it until the host says that it is published. */
export async function runBackup(
  hostText: string,
  path: string,
  flags: BackupFlags,
  io: CommandIo,
): Promise<number> {
  const address = parseHostAddress(hostText);
  if (flags.port !== undefined && address.port !== undefined && flags.port !== address.port) {
    throw usageError(`port ${address.port} in "${hostText}", but ${flags.port} in --port`);
  }
  const port = flags.port ?? address.port;
  const source = nameSource(flags, io);
  const filter = await filterRules(flags, io);
  if (flags.nice !== undefined) await applyPriority(parsePriority(flags.nice));
  const name = await machineName(source);
  const destination = {
    host: address.host,
    ...(address.user === undefined ? {} : { user: address.user }),
    ...(port === undefined ? {} : { port }),
  };
  try {
    const { options } = await sshHost(destination, flags, io);
    const peer = { host: address.host, port: options.port ?? 22, user: options.user, name };
    await using connection = await connectSsh({
      ...options,
      connectTimeoutMs: flags.connectTimeout ?? options.connectTimeoutMs ?? CONNECT_TIMEOUT_MS,
      ...(flags.handshakeTimeout === undefined ? {} : { answerTimeoutMs: flags.handshakeTimeout }),
      signal: io.signal,
    });
    if (flags.json) writeJsonLine(io.stdout, { event: "connected", ...peer });
    const result = await serve(connection, resolve(io.cwd, path), name, { flags, filter, io });
    return report(result, connection, { flags, io, path, hostText, name });
  } catch (error) {
    if (flags.json) {
      const message = describeFailure(error);
      writeJsonLine(io.stdout, {
        event: "failed",
        code: codeOf(error),
        message,
        exitCode: exitCodeOf(error),
      });
    }
    throw error;
  }
}

async function serve(
  connection: SshConnection,
  path: string,
  name: string,
  {
    flags,
    filter,
    io,
  }: { readonly flags: BackupFlags; readonly filter: readonly string[]; readonly io: CommandIo },
): Promise<BackUpResult> {
  const showMeter = flags.progress ?? (io.stderr.isTTY === true && !flags.quiet && !flags.json);
  using meter = openSentMeter(showMeter ? io.stderr : undefined, () => connection.stats.bytesOut);
  const isPrivileged = process.geteuid?.() === 0 || flags.rsync !== undefined;
  return await backUp({
    connection,
    path,
    name,
    privileged: isPrivileged && flags.rsyncUser !== true,
    oneFileSystem: flags.oneFileSystem ?? false,
    fakeSuper: flags.fakeSuper ?? false,
    attributes: flags.attributes ?? false,
    ...(filter.length > 0 ? { filter } : {}),
    ...(flags.rsync === undefined ? {} : { rsync: flags.rsync }),
    ...(flags.handshakeTimeout === undefined ? {} : { handshakeTimeoutMs: flags.handshakeTimeout }),
    signal: io.signal,
    onStep: (step) => {
      if (step.is === "transfer") meter.begin();
      if (!flags.json) return;
      const { is, ...facts } = step;
      writeJsonLine(io.stdout, { event: is, ...facts });
    },
  });
}

interface ReportParts {
  readonly flags: BackupFlags;
  readonly io: CommandIo;
  readonly path: string;
  readonly hostText: string;
  readonly name: string;
}

function report(
  { exitCode, problems }: BackUpResult,
  connection: SshConnection,
  { flags, io, path, hostText, name }: ReportParts,
): number {
  const sent = connection.stats.bytesOut;
  if (flags.json) {
    const lines = problems.map(printableBytes);
    writeJsonLine(io.stdout, { event: "done", exitCode, problems: lines, bytesSent: sent });
  }
  for (const problem of problems) io.stderr.write(`dialhome: ${printableBytes(problem)}\n`);
  if (exitCode !== 0 && problems.length === 0) {
    const what = exitCode === 24 ? "some files vanished meanwhile" : "some files could not be read";
    io.stderr.write(`dialhome: backed up, but ${what}; the backup host has their names\n`);
  }
  if (!flags.quiet && !flags.json) {
    const line = `${path} is backed up at ${hostText} as ${name}; ${formatBytes(sent)} sent`;
    io.stdout.write(`${printable(line)}\n`);
  }
  return exitCode;
}

function nameSource(flags: BackupFlags, io: CommandIo): NameSource {
  const { name, nameFile, nameRpi } = flags;
  const given = [name, nameFile, nameRpi].filter((value) => value !== undefined);
  if (given.length > 1)
    throw usageError("only one of --name, --name-file and --name-rpi can be given");
  if (name !== undefined) return { is: "given", name };
  if (nameFile !== undefined) return { is: "file", path: resolve(io.cwd, nameFile) };
  return nameRpi ? { is: "rpi" } : { is: "hostname" };
}

/** The rules of both options, without comments and empty lines. */
async function filterRules(flags: BackupFlags, io: CommandIo): Promise<string[]> {
  const rules: string[] = [];
  if (flags.filterFile !== undefined) {
    let text: string;
    try {
      text = await readFile(resolve(io.cwd, flags.filterFile), "utf8");
    } catch (cause) {
      const why = `cannot read the filter rules in "${flags.filterFile}": ${reasonOf(cause)}`;
      throw new DialhomeError("ERR_DIALHOME_FILE", why, { cause });
    }
    rules.push(...text.split(/\r?\n/).filter((line) => line !== "" && !/^[#;]/.test(line)));
  }
  if (flags.filterDirFile !== undefined) rules.push(`dir-merge ${flags.filterDirFile}`);
  return rules;
}
