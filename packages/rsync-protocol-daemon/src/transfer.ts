import {
  FILTER_LIMITS,
  type FilterRule,
  hasWildcard,
  type IdNameLookup,
  type Message,
  parseSentFilter,
  protocolError,
  RsyncError,
  readFilterRule,
  type ServerArguments,
  TAG,
  type Wire,
} from "@dialhome/rsync-protocol";
import { refusal } from "./abilities.ts";
import { type BinaryStart, startBinary } from "./binary-start.ts";
import { SystemIdNames } from "./id-names.ts";
import type { Log } from "./options.ts";
import { Pace } from "./pace.ts";
import { Report } from "./report.ts";
import { Sender } from "./sender.ts";
import type { Progress } from "./session.ts";
import type { Source } from "./source.ts";
import type { SessionFilters } from "./source-filter.ts";
import { expandPaths, openSources, type SourceRoot } from "./sources.ts";

/** What decides a transfer, once the command line is there. */
export interface TransferOptions {
  readonly protocol: number;
  readonly args: ServerArguments;
  /** The paths of the command line, below the root. */
  readonly paths: readonly string[];
  readonly root: SourceRoot;
  /** Whether the paths may hold wildcards and escapes. */
  readonly hasWildcards: boolean;
  /** Rules of the module itself. */
  readonly moduleFilters: readonly FilterRule[];
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
  const report = new Report(wire, log);
  const start = await startBinary(wire, {
    protocol,
    options: args.options,
    // Several sources may hold equal names, which one list alone can sort out.
    allowIncRecurse: options.paths.length === 1 && !hasWildcards(options),
    checksumSeed: options.checksumSeed,
  });
  progress.isBinary = true;
  wire.startDemultiplexing(takeMessage);
  const refused = refusal(args, options.refuseOptions);
  if (refused !== undefined) throw new RsyncError("ERR_RSYNC_UNSUPPORTED", refused);
  const client = await readFilters(wire, args.options.cvsExclude);
  options.onStarted();
  startTimeout(wire, options);
  const sources = open(options, { module: options.moduleFilters, client }, report);
  try {
    await send(wire, options, start, report, sources);
  } finally {
    for (const source of sources) source.close();
  }
  if (report.hadTransferError || (report.ioError & 1) !== 0) return 23;
  return report.ioError === 0 ? 0 : 24;
}

function hasWildcards(options: TransferOptions): boolean {
  return options.hasWildcards && options.paths.some(hasWildcard);
}

function open(options: TransferOptions, filters: SessionFilters, report: Report): Source[] {
  const { args, root } = options;
  const paths = options.hasWildcards ? expandPaths(root, options.paths) : options.paths;
  return openSources(root, paths, filters, report, args.options.ignoreMissingArgs);
}

async function send(
  wire: Wire,
  options: TransferOptions,
  start: BinaryStart,
  report: Report,
  sources: readonly Source[],
): Promise<void> {
  const { args, log, progress, protocol } = options;
  const sender = new Sender(
    {
      wire,
      // KiB, as rsync counts them.
      pace: new Pace(wire, (args.options.bwlimit ?? 0) * 1024),
      report,
      log,
      protocol,
      options: args.options,
      ...start,
      names: options.numericIds ? NO_NAMES : new SystemIdNames(),
      progress,
    },
    sources,
  );
  await sender.run();
}

/** The client's rules come before the list is made. */
async function readFilters(wire: Wire, cvsExclude: boolean): Promise<FilterRule[]> {
  const rules: FilterRule[] = [];
  for (;;) {
    const { text } = await wire.read((reader) => ({ text: readFilterRule(reader) }));
    if (text === "") {
      // The sender's half of -C, which a client does not spell out: exclude.c, recv_filter_list.
      if (cvsExclude) rules.push(parseSentFilter(":C"), parseSentFilter("-C"));
      return rules;
    }
    rules.push(parseSentFilter(text));
    if (rules.length > FILTER_LIMITS.rules) {
      throw new RsyncError("ERR_RSYNC_LIMIT", `more than ${FILTER_LIMITS.rules} filter rules`);
    }
  }
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
