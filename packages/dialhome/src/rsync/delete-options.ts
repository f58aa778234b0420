import type { TransferOptions } from "@dialhome/rsync-protocol-client";
import { syntaxError } from "./errors.ts";
import type { RsyncSettings } from "./settings.ts";

const TIMES = [
  ["deleteBefore", "before"],
  ["deleteDuring", "during"],
  ["deleteDelay", "delay"],
  ["deleteAfter", "after"],
] as const;

/** What the `--delete…` options say together. */
export function deleteOptions({
  flags,
  negated,
}: Pick<RsyncSettings, "flags" | "negated">): Pick<TransferOptions, "delete" | "deleteExcluded"> {
  const times = TIMES.filter(([flag]) => flags.has(flag)).map(([, time]) => time);
  if (times.length > 1) throw syntaxError("You may not combine multiple --delete-WHEN options.");
  const deletes = times.length > 0 || flags.has("delete") || flags.has("deleteExcluded");
  // What implies --dirs (a list of files, no destination) does not imply it after --no-dirs.
  if (deletes && negated.has("dirs") && !flags.has("recursive")) {
    throw syntaxError("--delete does not work without --recursive (-r) or --dirs (-d).");
  }
  return {
    delete: times[0] ?? flags.has("delete"),
    deleteExcluded: flags.has("deleteExcluded"),
  };
}
