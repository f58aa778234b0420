import {
  cvsExcludeRules,
  type FilterRule,
  formatSentFilters,
  parseSentFilter,
} from "@dialhome/rsync-protocol";
import type { PullOptions } from "./pull-options.ts";

/** The filter rules of a pull: as the sender gets them, and those that hold here. */
export interface PullRules {
  readonly sent: readonly string[];
  readonly local: readonly FilterRule[];
}

/**
 * Puts together the caller's rules and those that other options stand for, as rsync(1) does.
 * @throws RsyncError for a wrong rule
 */
export function readRules(options: PullOptions): PullRules {
  const given = (options.filterRules ?? []).map(parseSentFilter);
  const sent = formatSentFilters(given, { deleteExcluded: options.deleteExcluded === true });
  const local = [...given];
  // The sender adds these by itself. CVS's own list protects here also under --delete-excluded (rsync 3.5 does so).
  for (const rule of options.cvsExclude ? cvsExcludeRules() : []) {
    local.push(rule.type === "dir-merge" ? rule : { ...rule, sides: "both" });
  }
  return { sent, local };
}
