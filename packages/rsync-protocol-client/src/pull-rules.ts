import {
  cvsExcludeRules,
  type FilterRule,
  formatSentFilters,
  PROTOCOL,
  parseSentFilter,
} from "@dialhome/rsync-protocol";
import { defaultSuffix } from "./backups.ts";
import { backupDirectoryOf, keepsBackups, partialDirectoryOf } from "./placement-options.ts";
import type { PullOptions } from "./pull-options.ts";

/** The filter rules of a pull: as the sender gets them, and those that hold here. */
export interface PullRules {
  /** In the form of a protocol. @throws RsyncError for a rule that it cannot tell, exit code 2 */
  readonly sent: (protocol: number) => readonly string[];
  readonly local: readonly FilterRule[];
}

/**
 * Puts together the caller's rules and those that other options stand for, as rsync(1) does.
 * @throws RsyncError for a wrong rule
 */
export function readRules(options: PullOptions): PullRules {
  const given = [...(options.filterRules ?? []), ...impliedRules(options)].map(parseSentFilter);
  const deleteExcluded = options.deleteExcluded === true;
  const sent = (protocol: number): string[] =>
    formatSentFilters(given, { deleteExcluded, protocol });
  // What is wrong in any protocol is told before anything is sent.
  sent(PROTOCOL.MAX);
  const local = [...given];
  // The sender adds these by itself. CVS's own list protects here also under --delete-excluded (rsync 3.5 does so).
  for (const rule of options.cvsExclude ? cvsExcludeRules() : []) {
    local.push(rule.type === "dir-merge" ? rule : { ...rule, sides: "both" });
  }
  return { sent, local };
}

/** Earlier backups and what came in part are not deleted, and the latter is not transferred. */
function impliedRules(options: PullOptions): string[] {
  const rules: string[] = [];
  const backupDirectory = backupDirectoryOf(options);
  if (
    keepsBackups(options) &&
    backupDirectory === undefined &&
    options.delete &&
    !options.deleteExcluded
  ) {
    rules.push(`P *${options.suffix ?? defaultSuffix(undefined)}`);
  }
  const partialDirectory = partialDirectoryOf(options);
  if (partialDirectory !== undefined && !partialDirectory.startsWith("/")) {
    rules.push(`-p ${partialDirectory}/`);
  }
  return rules;
}
