import type { DifferentialCase } from "./differential.ts";

/** With a backup beside its original rsync leaves the times of the folders alone. */
const NO_FOLDER_TIMES = { times: "not-of-folders" } as const;

/** Ways to call rsync that each exercise other parts. */
export const CASES: readonly DifferentialCase[] = [
  { args: ["-aHAX", "-S", "--numeric-ids", "--delete"] },
  { args: ["-rlt", "--delete-before"] },
  { args: ["-aHc", "--delete-after"] },
  { args: ["-aW", "-b", "--suffix=.old", "--delete-delay"], compare: NO_FOLDER_TIMES },
  { args: ["-aH", "--inplace", "--delete"] },
  { args: ["-a", "--append-verify"] },
  // Folders of backups become like their originals, which change at another moment.
  { args: ["-aH", "--backup-dir=../kept", "--delete"], only: "dest" },
  { args: ["-aH", "--partial-dir=.part", "--delay-updates", "--delete"] },
  { args: ["-aH", "--link-dest=../ref", "--delete"] },
  { args: ["-aR", "--delete", "--no-implied-dirs"] },
  {
    args: ["-a", "--delete-excluded", "--exclude=*a*", "--include=/[b-m]*/", "--filter=P *x*"],
    // Those of excluded folders, in which something was deleted.
    compare: NO_FOLDER_TIMES,
  },
  { args: ["-aH", "--no-inc-recursive", "--protocol=30", "--delete"] },
];
