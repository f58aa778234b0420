import { isDirectory, TAG } from "@dialhome/rsync-protocol";
import type { Job } from "./hard-link-groups.ts";
import type { SessionContext } from "./pull-context.ts";

/**
 * `--remove-source-files`: the sender is told that something lies here under its name, and removes its own. That has to be said before
 * the list of the entry is finished, since the sender then forgets it.
 */
export function releaseSource(context: SessionContext, { ndx, entry }: Job): void {
  const { options, wire, delayed } = context;
  if (!options.removeSourceFiles || options.dryRun || isDirectory(entry)) return;
  // It does not have its name yet, and may still lose it.
  if (delayed?.has(entry.name)) return;
  wire.intMessage(TAG.SUCCESS, ndx);
}
