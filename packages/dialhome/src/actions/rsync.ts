import { lstatSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { EXIT, PROTOCOL, RsyncError, Wire } from "@dialhome/rsync-protocol";
import { listModules, pull } from "@dialhome/rsync-protocol-client";
import { reasonOf } from "../errors.ts";
import { reportFailure } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { connectToDaemon } from "../rsync/connect.ts";
import { rsyncHelp, rsyncVersion } from "../rsync/help.ts";
import { formatListed } from "../rsync/listing.ts";
import { parseRsyncArguments } from "../rsync/parse-arguments.ts";
import { readPassword } from "../rsync/password.ts";
import { RsyncReport } from "../rsync/report.ts";
import type { RsyncSettings } from "../rsync/settings.ts";
import { type DaemonSource, parseOperands } from "../rsync/source.ts";
import { transferOptions } from "../rsync/transfer-options.ts";
import { printableBytes } from "../terminal/printable.ts";

/** `dialhome rsync`: everything that fails has been told when this resolves with rsync's exit code. */
export async function runRsync(args: readonly string[], io: CommandIo): Promise<number> {
  try {
    const settings = parseRsyncArguments(args, (path) => readRuleFile(resolve(io.cwd, path)));
    if (settings.flags.has("help")) {
      io.stdout.write(rsyncHelp());
      return EXIT.OK;
    }
    if (settings.flags.has("version")) {
      io.stdout.write(rsyncVersion());
      return EXIT.OK;
    }
    return await transfer(settings, io);
  } catch (error) {
    const failure = error instanceof RsyncError ? error : undefined;
    reportFailure(io, error, io.env["DIALHOME_DEBUG"] !== undefined);
    return failure?.exitCode ?? EXIT.FILE_IO;
  }
}

async function transfer(settings: RsyncSettings, io: CommandIo): Promise<number> {
  const { source, destination } = parseOperands(settings.operands, settings.port);
  const options = { ...transferOptions(settings), cvsIgnore: readCvsIgnore(io) };
  const startedAt = performance.now();
  const socket = await connectToDaemon(source, settings, io.signal);
  try {
    const limits = {
      timeoutMs: settings.timeoutSeconds * 1000,
      signal: io.signal,
      ...(settings.stopAtMs === undefined ? {} : { stopAtMs: settings.stopAtMs }),
    };
    if (source.module === "") {
      // The lines of the list have a tab between name and comment.
      const say = (line: string): void => {
        io.stdout.write(`${line.split("\t").map(printableBytes).join("\t")}\n`);
      };
      const wire = new Wire(socket, limits);
      try {
        await listModules(wire, settings.protocol ?? PROTOCOL.MAX, say);
      } finally {
        wire.release();
      }
      return EXIT.OK;
    }
    const report = new RsyncReport(settings, io, startedAt);
    const isListing = destination === undefined || settings.flags.has("listOnly");
    const common = {
      ...options,
      ...limits,
      stream: socket,
      source: daemonSource(source, settings, io),
      onMessage: report.onMessage,
    };
    if (isListing) {
      const summary = await pull({
        ...common,
        dirs: options.recursive !== true,
        destination: io.cwd,
        onListed: (entry) => io.stdout.write(`${formatListed(entry, settings.human)}\n`),
      });
      return summary.exitCode;
    }
    report.begin(
      exists(resolve(io.cwd, destination)) ? undefined : destination.replace(/\/+$/, ""),
    );
    const summary = await pull({
      ...common,
      destination: keepSlash(resolve(io.cwd, destination), destination),
      onEntry: report.onEntry,
      onDelete: report.onDelete,
      onProgress: report.onProgress,
    });
    report.end(summary);
    return summary.exitCode;
  } finally {
    socket.destroy();
  }
}

function daemonSource(
  { module, paths, user: named }: DaemonSource,
  settings: RsyncSettings,
  io: CommandIo,
): Parameters<typeof pull>[0]["source"] {
  // As rsync: the account's name, where the source does not say it.
  const user = named ?? io.env["USER"] ?? io.env["LOGNAME"] ?? "nobody";
  return {
    kind: "daemon",
    module,
    paths,
    user,
    password: () => readPassword(user, settings.passwordFile, io),
  };
}

/** A slash at the end says that the destination is a directory. */
function keepSlash(path: string, written: string): string {
  return written.endsWith("/") && !path.endsWith("/") ? `${path}/` : path;
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}

/** What `-C` ignores besides CVS's own list. */
function readCvsIgnore(io: CommandIo): readonly string[] {
  const home = io.env["HOME"];
  const texts = [io.env["CVSIGNORE"] ?? ""];
  try {
    if (home !== undefined) texts.unshift(readFileSync(resolve(home, ".cvsignore"), "latin1"));
  } catch {
    // Hardly anybody has one.
  }
  return texts;
}

/** The text of `--exclude-from`, `--include-from` and merge files. */
function readRuleFile(path: string): string {
  try {
    return readFileSync(path, "latin1");
  } catch (cause) {
    const message = `cannot read "${path}": ${reasonOf(cause)}`;
    throw new RsyncError("ERR_RSYNC_FILE", message, { cause });
  }
}
