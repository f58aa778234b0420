import { errorCode } from "@dialhome/posix-fs";
import {
  type FilterRule,
  type IdNameLookup,
  type Message,
  protocolError,
  RsyncError,
  type ServerArguments,
  TAG,
  traitsOf,
  type Wire,
} from "@dialhome/rsync-protocol";
import { refusal } from "./abilities.ts";
import { type BinaryStart, startBinary } from "./binary-start.ts";
import { FramedInput, readFilters } from "./client-filters.ts";
import { hearFilesFrom, readFilesFrom } from "./files-from.ts";
import { SystemIdNames } from "./id-names.ts";
import type { Log } from "./options.ts";
import { Pace } from "./pace.ts";
import { parseRequestedPath, walkInside } from "./path-gate.ts";
import { describeError, Report } from "./report.ts";
import { Sender } from "./sender.ts";
import type { FileFacts, Progress, Session } from "./session.ts";
import { type SessionFilters, SourceFilter } from "./source-filter.ts";
import { expandPaths, SourceOpener, type SourceRoot } from "./sources.ts";

/** What decides a transfer, once the command line is there. */
export interface TransferOptions {
  readonly protocol: number;
  readonly args: ServerArguments;
  /** The paths of the command line, below the root. */
  readonly paths: readonly string[];
  readonly root: SourceRoot;
  /** Whether the paths may hold wildcards and escapes. */
  readonly hasWildcards: boolean;
  /** Where relative paths begin, below the root; for a daemon there is no other place than the root. */
  readonly cwd?: string;
  /** Rules of the module itself. */
  readonly moduleFilters: readonly FilterRule[];
  /** See {@link FilterChainOptions.cvsIgnore}. @defaultValue none */
  readonly cvsIgnore?: readonly string[];
  /** What the module says about how entries are sent. `noAtime` undefined leaves it to the client. */
  readonly rules?: {
    readonly ignoreNonreadable?: boolean | undefined;
    readonly unmungesLinks?: boolean | undefined;
    readonly ignoreErrors?: boolean | undefined;
    readonly noAtime?: boolean | undefined;
    readonly onFileSent?: (file: FileFacts) => void;
  };
  readonly numericIds: boolean;
  readonly timeoutSeconds: number;
  readonly refuseOptions: readonly string[];
  readonly checksumSeed: number | undefined;
  readonly log: Log;
  readonly progress: Progress;
  /** Called when the handshake is over. */
  readonly onStarted: () => void;
}

const NO_NAMES: IdNameLookup = { userName: () => undefined, groupName: () => undefined };

/**
 * From the first binary byte to the goodbye.
 *
 * @returns rsync's exit code for what was sent: 0, 23 or 24
 */
export async function transfer(wire: Wire, options: TransferOptions): Promise<number> {
  const { args, log, progress, protocol } = options;
  const report = new Report(wire, log, traitsOf(protocol).textTag);
  const start = await startBinary(wire, {
    protocol,
    options: args.options,
    // What is missing is told in the list of a directory that may be missing too.
    allowIncRecurse: !(args.options.relative && args.options.deleteMissingArgs),
    checksumSeed: options.checksumSeed,
  });
  progress.isBinary = true;
  const { framesBothWays, namesBesideFrames } = start.traits;
  const isBeside = framesBothWays && namesBesideFrames && args.options.filesFrom === "-";
  if (framesBothWays && !isBeside) wire.startDemultiplexing(takeMessage);
  const refused = refusal(args, options.refuseOptions, protocol);
  if (refused !== undefined) throw new RsyncError("ERR_RSYNC_UNSUPPORTED", refused);
  const input = isBeside ? new FramedInput(wire, takeMessage) : wire;
  const client = await readFilters(input, args.options.cvsExclude, protocol);
  options.onStarted();
  startTimeout(wire, options);
  const filters = { module: options.moduleFilters, client, cvsIgnore: options.cvsIgnore ?? [] };
  const { paths, base } = await pathsOf(wire, options, filters);
  if (isBeside) wire.startDemultiplexing(takeMessage);
  const style = {
    isRelative: args.options.relative,
    isSanitised: options.hasWildcards || args.options.filesFrom !== undefined,
    keepsDot: !options.hasWildcards || args.options.filesFrom !== undefined,
    base,
  };
  const how = { style, options: args.options, filters };
  const sources = new SourceOpener(options.root, how, report);
  try {
    await new Sender(sessionOf(wire, options, start, report), sources, paths).run();
  } finally {
    sources.close();
  }
  if (report.hadTransferError || (report.ioError & 1) !== 0) return 23;
  return report.ioError === 0 ? 0 : 24;
}

/** What is asked for, and where it begins: sources, or the names of `--files-from` below the one source. */
async function pathsOf(
  wire: Wire,
  options: TransferOptions,
  filters: SessionFilters,
): Promise<{ readonly paths: readonly string[]; readonly base: readonly string[] }> {
  const { root } = options;
  const { filesFrom, from0 } = options.args.options;
  const whole = new SourceFilter(filters, "");
  const paths = options.hasWildcards ? expandPaths(root, options.paths, whole) : options.paths;
  const cwd = parseRequestedPath(options.cwd ?? "").components;
  if (filesFrom === undefined) return { paths, base: cwd };
  const names =
    filesFrom === "-" ? await hearFilesFrom(wire) : readFilesFrom(root, filesFrom, from0, whole);
  const first = paths[0] ?? "";
  const begin = first.startsWith("/") ? "" : cwd.join("/");
  const base = parseRequestedPath(`${begin}/${first}`).components;
  try {
    walkInside(root.directory, base, false, {
      followAbsolute: root.followAbsolute,
    }).directory.close();
  } catch (error) {
    if (!(error instanceof RsyncError) && errorCode(error) === undefined) throw error;
    const message = `[sender] change_dir ${root.label(base.join("/"))} failed: ${describeError(error)}`;
    throw new RsyncError("ERR_RSYNC_FILE", message, { exitCode: 3, cause: error });
  }
  return { paths: names, base };
}

function sessionOf(
  wire: Wire,
  options: TransferOptions,
  start: BinaryStart,
  report: Report,
): Session {
  const { args, log, progress, protocol, rules } = options;
  return {
    wire,
    // KiB, as rsync counts them.
    pace: new Pace(wire, (args.options.bwlimit ?? 0) * 1024),
    report,
    log,
    protocol,
    options: args.options,
    rules: {
      ignoreNonreadable: rules?.ignoreNonreadable ?? false,
      unmungesLinks: rules?.unmungesLinks ?? false,
      ignoreErrors: rules?.ignoreErrors === true || args.options.ignoreErrors,
      noAtime: rules?.noAtime ?? args.options.openNoatime,
      onFileSent: rules?.onFileSent,
    },
    ...start,
    names: options.numericIds ? NO_NAMES : new SystemIdNames(),
    progress,
  };
}

/** The shorter of the server's and the client's timeout holds; a client of protocol 31 is told the server's. */
function startTimeout(wire: Wire, options: TransferOptions): void {
  const theirs = options.args.options.timeout ?? 0;
  const ours = options.timeoutSeconds;
  const seconds = ours > 0 && (theirs === 0 || ours < theirs) ? ours : theirs;
  if (ours > 0 && options.protocol >= 31) wire.intMessage(TAG.IO_TIMEOUT, ours);
  if (seconds > 0) wire.setTimeout(seconds * 1000);
}

/** Messages that a client may send to a sender. */
function takeMessage(message: Message): void {
  const { tag } = message;
  if (tag === TAG.IO_ERROR || tag === TAG.NOOP || tag === TAG.SUCCESS || tag === TAG.DELETED)
    return;
  // Text of the client's other half; it has shown it already.
  if (tag === TAG.INFO || tag === TAG.ERROR || tag === TAG.ERROR_XFER || tag === TAG.WARNING)
    return;
  throw protocolError(`message ${tag} from a client`);
}
