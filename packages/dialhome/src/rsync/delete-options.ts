import type { TransferOptions } from "@dialhome/rsync-protocol-client";
import { syntaxError } from "./errors.ts";
import type { Flag } from "./option-table.ts";

const TIMES = [
  ["deleteBefore", "before"],
  ["deleteDuring", "during"],
  ["deleteDelay", "delay"],
  ["deleteAfter", "after"],
] as const;

/** What the `--delete…` options say together. */
export function deleteOptions(
  flags: ReadonlySet<Flag>,
): Pick<TransferOptions, "delete" | "deleteExcluded"> {
  const times = TIMES.filter(([flag]) => flags.has(flag)).map(([, time]) => time);
  if (times.length > 1) throw syntaxError("You may not combine multiple --delete-WHEN options.");
  return {
    delete: times[0] ?? flags.has("delete"),
    deleteExcluded: flags.has("deleteExcluded"),
  };
}
