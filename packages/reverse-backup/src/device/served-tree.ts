import type { Duplex } from "node:stream";
import { LinkedAbort, parseFilterText } from "@dialhome/rsync-protocol";
import { type Log, type ModuleOptions, RsyncDaemon } from "@dialhome/rsync-protocol-daemon";
import { TRANSFER_TIMEOUT_MS } from "../constants.ts";
import { BackupError, quoted } from "../errors.ts";
import type { Offer } from "../offer.ts";

/** Something that answers the host's connections with the device's tree, as long as it is open. */
export interface ServedTree extends AsyncDisposable {
  /** Takes over one connection that came through the tunnel. */
  serve(channel: Duplex): void;
  /** What rsync(1) would have exited with: 23 or 24 when something could not be sent; the worst of all sessions. */
  readonly exitCode: number;
  /** One line for each file that could not be read, as far as they are known here. */
  readonly problems: readonly string[];
}

/** Problems that are kept by name; more are only counted by the exit code. */
const PROBLEMS_LIMIT = 1_000;

/** What of the device is served. */
export interface TreeOptions {
  readonly path: string;
  readonly credentials: Offer["rsync"];
  /** Rules of rsyncd.conf's `filter`. What they leave out does not exist for the host. */
  readonly filter?: readonly string[];
  readonly signal?: AbortSignal;
}

/**
 * The tree through our own daemon, in process.
 * @throws RsyncError for a filter rule that is none, BackupError for one that merges a file
 */
export function serveInProcess(options: TreeOptions): ServedTree {
  const { credentials } = options;
  const stop = new LinkedAbort(options.signal);
  const sessions = new Set<Promise<void>>();
  const problems: string[] = [];
  let exitCode = 0;
  const module: ModuleOptions = {
    name: credentials.module,
    path: options.path,
    authUsers: [{ user: credentials.user, secret: credentials.password }],
    numericIds: true,
    timeoutSeconds: TRANSFER_TIMEOUT_MS / 1000,
    // Paths are matched as bytes.
    filterRules: (options.filter ?? []).map(asServedRule),
  };
  const serve = async (channel: Duplex): Promise<void> => {
    const told: string[] = [];
    const log: Log = (_level, event, { path, text, message }) => {
      if (told.length >= PROBLEMS_LIMIT) return;
      if (event === "vanished") told.push(`file has vanished: ${String(path)}`);
      if (event === "transfer-error") told.push(String(text));
      if (event === "session-failed") told.push(String(message));
    };
    const result = await new RsyncDaemon({ modules: [module], signal: stop.signal, log }).serve(
      channel,
    );
    // Under sshd everybody on the host can knock at the port. Who did not know the password was not the host.
    if (result.user === undefined) return;
    exitCode = worse(exitCode, result.exitCode);
    problems.push(...told.slice(0, PROBLEMS_LIMIT - problems.length));
  };
  return {
    serve: (channel) => {
      sessions.add(serve(channel));
    },
    get exitCode() {
      return exitCode;
    },
    problems,
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await Promise.allSettled(sessions);
    },
  };
}

/** A rule as our daemon takes it; a merged file is for the real rsync to read. */
function asServedRule(rule: string): string {
  const latin1 = Buffer.from(rule).toString("latin1");
  if (parseFilterText(latin1, { entries: "rules" }).some(({ type }) => type === "merge")) {
    throw new BackupError(
      "ERR_BACKUP_UNSUPPORTED",
      `filter rule ${quoted(rule)}: only a real rsync merges files (--rsync); put its rules here instead`,
    );
  }
  return latin1;
}

/** 0 is best, 24 (vanished) is less than 23 (some could not be sent), which stands for anything else too. */
function worse(a: number, b: number): number {
  if (a === 0) return b === 0 || b === 24 ? b : 23;
  return b === 0 || b === 24 ? a : 23;
}
