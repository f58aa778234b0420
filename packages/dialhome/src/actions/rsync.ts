import { readFileSync } from "node:fs";
import { resolve } from "node:path";
import { EXIT, PROTOCOL, RsyncError, Wire, type WireOptions } from "@dialhome/rsync-protocol";
import { listModules, pull } from "@dialhome/rsync-protocol-client";
import { reasonOf } from "../errors.ts";
import { codeOf, reportFailure } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { parseCompressList } from "../rsync/compress-list.ts";
import { readCvsIgnore } from "../rsync/cvs-ignore.ts";
import { readFilesFrom } from "../rsync/files-from.ts";
import { rsyncHelp, rsyncVersion } from "../rsync/help.ts";
import { formatListed } from "../rsync/listing.ts";
import { openSource } from "../rsync/open-source.ts";
import { RsyncOutput } from "../rsync/output.ts";
import { parseRsyncArguments } from "../rsync/parse-arguments.ts";
import { RsyncReport } from "../rsync/report.ts";
import type { RsyncSettings } from "../rsync/settings.ts";
import { parseOperands } from "../rsync/source.ts";
import { transferOptions } from "../rsync/transfer-options.ts";
import { SSH_FAILED, type Transport } from "../rsync/transport.ts";
import { printableBytes } from "../terminal/printable.ts";

/** `dialhome rsync`: everything that fails has been told when this resolves with rsync's exit code. */
export async function runRsync(args: readonly string[], io: CommandIo): Promise<number> {
  if (args[0] === "--server") {
    return (await import("./rsync-server.ts")).runRsyncServer(args, io);
  }
  try {
    const settings = parseRsyncArguments(args, (path) =>
      readRuleFile(path === "-" ? "/dev/stdin" : resolve(io.cwd, path)),
    );
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
    reportFailure(io, error, io.env["DIALHOME_DEBUG"] !== undefined);
    return exitCodeOfRsync(error);
  }
}

/** rsync's codes; a remote shell that could not be reached is ssh's 255. */
function exitCodeOfRsync(error: unknown): number {
  if (error instanceof RsyncError) return error.exitCode;
  const code = codeOf(error);
  if (code === "ERR_DIALHOME_USAGE") return EXIT.SYNTAX;
  if (code.startsWith("ERR_SSH_ENDPOINT_") || code === "ERR_DIALHOME_FILE") return SSH_FAILED;
  return EXIT.FILE_IO;
}

async function transfer(settings: RsyncSettings, io: CommandIo): Promise<number> {
  const { source, destination } = parseOperands(settings.operands, settings.port);
  const filesFrom = await readFilesFrom(settings, source, io);
  const isListing = destination === undefined || settings.flags.has("listOnly");
  const base = transferOptions(settings);
  const options = {
    ...base,
    cvsIgnore: readCvsIgnore(io),
    ...(isListing && base.recursive !== true ? { dirs: true } : {}),
    wholeFile:
      base.wholeFile === true ||
      (source.is === "local" && !settings.negated.has("wholeFile") && !base.append),
    ...(filesFrom === undefined ? {} : { filesFrom }),
    listOnly: isListing,
  };
  const startedAt = performance.now();
  const { transport, source: pullSource } = await openSource(source, settings, options, io);
  try {
    const limits = {
      timeoutMs: settings.timeoutSeconds * 1000,
      signal: io.signal,
      ...(settings.stopAtMs === undefined ? {} : { stopAtMs: settings.stopAtMs }),
    };
    if (source.is === "daemon" && source.module === "") {
      await showModules(transport, settings, limits, io);
      return EXIT.OK;
    }
    const compressNames = parseCompressList(io.env["RSYNC_COMPRESS_LIST"]);
    using output = new RsyncOutput(settings, io);
    const target = isListing ? io.cwd : keepSlash(resolve(io.cwd, destination), destination);
    const report = new RsyncReport(settings, output, startedAt, {
      destination: isListing ? undefined : destination,
      isLocal: source.is === "local",
      wholeFile: options.wholeFile,
    });
    const summary = await pull({
      ...options,
      ...limits,
      ...(compressNames && { compressNames }),
      stream: transport.stream,
      source: pullSource,
      destination: target,
      ...report.callbacks(),
      ...(isListing
        ? { onListed: (entry) => output.say(formatListed(entry, settings.human)) }
        : {}),
    });
    const remote = (await transport.ended()) ?? 0;
    report.end(summary);
    return Math.max(summary.exitCode, remote);
  } catch (error) {
    throw await withExitCodeOf(transport, error);
  } finally {
    transport.destroy();
  }
}

/** A stream that broke off says less than the exit code of the program at its other end. */
async function withExitCodeOf(transport: Transport, error: unknown): Promise<unknown> {
  if (!(error instanceof RsyncError) || error.code !== "ERR_RSYNC_CONNECTION_LOST") return error;
  const exitCode = await transport.ended();
  if (exitCode === undefined || exitCode <= error.exitCode) return error;
  const why = REMOTE_FAILURES[exitCode] ?? `the far end's program ended with exit code ${exitCode}`;
  return new RsyncError("ERR_RSYNC_CONNECTION_LOST", `${error.message}; ${why}`, {
    exitCode,
    cause: error,
  });
}

/** What shells and ssh(1) mean. */
const REMOTE_FAILURES: Readonly<Record<number, string>> = {
  [SSH_FAILED]: "the remote shell failed, or its connection broke",
  126: "rsync at the far end could not be run (exit code 126); see --rsync-path",
  127: "there is no rsync at the far end (exit code 127); see --rsync-path",
};

async function showModules(
  transport: Transport,
  settings: RsyncSettings,
  limits: WireOptions,
  io: CommandIo,
): Promise<void> {
  // The lines of the list have a tab between name and comment.
  const say = (line: string): void => {
    if (!settings.flags.has("motd")) return;
    io.stdout.write(`${line.split("\t").map(printableBytes).join("\t")}\n`);
  };
  const wire = new Wire(transport.stream, limits);
  try {
    await listModules(wire, settings.protocol ?? PROTOCOL.MAX, say);
  } finally {
    wire.release();
  }
}

/** A slash at the end says that the destination is a directory. */
function keepSlash(path: string, written: string): string {
  return written.endsWith("/") && !path.endsWith("/") ? `${path}/` : path;
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
