import { RsyncError } from "@dialhome/rsync-protocol";
import { deleteTime } from "./delete-time.ts";
import { isStore } from "./destination.ts";
import type { PullOptions } from "./pull-options.ts";
import { readRules } from "./pull-rules.ts";

/** Options that are about a local tree, by rsync(1)'s names. */
const LOCAL_ONLY = [
  ["acls", "acls"],
  ["xattrs", "xattrs"],
  ["fakeSuper", "fake-super"],
  ["super", "super"],
  ["userMap", "usermap"],
  ["groupMap", "groupmap"],
  ["executability", "executability"],
  ["sparse", "sparse"],
  ["mkpath", "mkpath"],
  ["fsync", "fsync"],
  ["partial", "partial"],
  ["partialDir", "partial-dir"],
  ["tempDir", "temp-dir"],
  ["delayUpdates", "delay-updates"],
  ["inplace", "inplace"],
  ["append", "append"],
  ["backup", "backup"],
  ["backupDir", "backup-dir"],
  ["keepDirlinks", "keep-dirlinks"],
  ["privateDestination", "privateDestination"],
] as const satisfies readonly (readonly [keyof PullOptions, string])[];

/** Calls of a store that may be under way at once. */
const MAX_CONCURRENCY = 64;

/**
 * Refuses what a store of the caller's cannot do, before anything is sent.
 * @throws RsyncError `ERR_RSYNC_UNSUPPORTED`, exit code 4
 */
export function assertDestination(options: PullOptions): void {
  const { destination } = options;
  if (!isStore(destination)) return;
  const { concurrency = 1 } = destination;
  if (!Number.isInteger(concurrency) || concurrency < 1 || concurrency > MAX_CONCURRENCY) {
    const message = `concurrency ${concurrency}: 1 to ${MAX_CONCURRENCY}`;
    throw new RsyncError("ERR_RSYNC_OPTION", message);
  }
  for (const [option, name] of LOCAL_ONLY) {
    if (options[option] !== undefined && options[option] !== false) throw unsupported(name);
  }
  for (const use of ["link", "copy", "compare"] as const) {
    if ((options[`${use}Dest`]?.length ?? 0) > 0) throw unsupported(`${use}-dest`);
  }
  if (options.impliedDirs === false) throw unsupported("no-implied-dirs");
  const deletes = deleteTime(options)
    ? "delete"
    : options.deleteMissingArgs
      ? "delete-missing-args"
      : undefined;
  if (deletes === undefined) return;
  if (!destination.list || !destination.remove) {
    throw unsupported(deletes, "which has no list() and remove()");
  }
  if (readRules(options).local.some((rule) => rule.type === "dir-merge" || rule.absolute)) {
    throw unsupported(deletes, "together with filter rules that are read from directories");
  }
}

function unsupported(option: string, why = "which is no local directory"): RsyncError {
  const message = `--${option} cannot be used with this destination, ${why}`;
  return new RsyncError("ERR_RSYNC_UNSUPPORTED", message);
}
