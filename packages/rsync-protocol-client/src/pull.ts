import { asRsyncError, traitsOf, Wire } from "@dialhome/rsync-protocol";
import { assertOptions } from "./check-options.ts";
import { openSession } from "./open-session.ts";
import { backupDirectoryOf, keepsBackups } from "./placement-options.ts";
import type { PullOptions } from "./pull-options.ts";
import { readRules } from "./pull-rules.ts";
import { offersIncRecursion } from "./server-command.ts";
import { runSession } from "./session.ts";
import { serverEnd } from "./session-end.ts";
import { startSession } from "./session-start.ts";
import { StopTime } from "./stop-time.ts";
import type { PullSummary } from "./summary.ts";

/**
 * Pulls a tree from an rsync sender (a daemon, or `rsync --server --sender`) over any stream.
 *
 * Resolves when everything that could be transferred lies in the destination; what could not is told in the summary, whose
 * `exitCode` is then 23 or 24. Files get their names only when their content was verified; a pull that ends early leaves
 * whole files, old or new, and nothing else.
 *
 * @throws RsyncError with rsync(1)'s exit code, when the session itself failed
 */
export async function pull(given: PullOptions): Promise<PullSummary> {
  assertOptions(given);
  // As in rsync(1): a backup beside its original changes the time of the directory anyway.
  const omitsTimes = keepsBackups(given) && backupDirectoryOf(given) === undefined;
  const options = omitsTimes ? { ...given, omitDirTimes: true } : given;
  const rules = readRules(options);
  const wire = new Wire(options.stream, {
    timeoutMs: options.timeoutMs ?? 0,
    ...(options.signal ? { signal: options.signal } : {}),
  });
  let protocol = 0;
  using _stop = new StopTime(wire, options.stopAtMs);
  try {
    protocol = await openSession(wire, options);
    const terms = await startSession(wire, protocol, options, offersIncRecursion(options));
    const summary = await runSession(wire, terms, options, rules);
    if (options.source.kind === "server") await serverEnd(wire);
    return summary;
  } catch (error) {
    const failure = asRsyncError(error);
    // The sender is told; where the connection is gone, this does nothing.
    if (traitsOf(protocol).tellsErrorExit && failure.code !== "ERR_RSYNC_PEER_EXIT")
      wire.farewell(failure.exitCode);
    throw failure;
  } finally {
    wire.end();
    wire.release();
  }
}
