import {
  type FileEntry,
  ITEM,
  isDevice,
  isDirectory,
  isRegularFile,
  isSymlink,
} from "@dialhome/rsync-protocol";
import type { PulledEntry, TransferOptions } from "./pull-options.ts";

/**
 * The eleven letters of `rsync -i` for an entry, or undefined where rsync prints nothing (nothing differed).
 * See `--itemize-changes` in rsync(1).
 *
 * @param options - of the pull: where times are not kept, what was changed has the time of the change (`T`)
 */
export function itemize(
  pulled: PulledEntry,
  options: TimeOptions = { times: true },
): string | undefined {
  const { entry, outcome, changes } = pulled;
  const created = outcome === "new" || (outcome !== "unchanged" && (changes & ITEM.IS_NEW) !== 0);
  const update = updateLetter(pulled);
  const isQuiet = outcome === "unchanged" || outcome === "linked" || outcome === "copied";
  if (isQuiet && !hasReportBits(changes)) return undefined;
  const kind = kindLetter(entry);
  if (created) return `${update}${kind}+++++++++`;
  const letter = (bit: number, text: string): string => (changes & bit ? text : ".");
  const differences = [
    letter(ITEM.REPORT_CHANGE, "c"),
    isRegularFile(entry) ? letter(ITEM.REPORT_SIZE, "s") : ".",
    timeLetter(pulled, update, options),
    letter(ITEM.REPORT_PERMS, "p"),
    letter(ITEM.REPORT_OWNER, "o"),
    letter(ITEM.REPORT_GROUP, "g"),
    ".",
    letter(ITEM.REPORT_ACL, "a"),
    letter(ITEM.REPORT_XATTR, "x"),
  ].join("");
  const isEqual = update === "h" && differences === ".........";
  return `${update}${kind}${isEqual ? "         " : differences}`;
}

type TimeOptions = Pick<TransferOptions, "times" | "omitDirTimes" | "omitLinkTimes">;

/** Where times are not kept, what was changed has got another one. */
function timeLetter({ entry, changes }: PulledEntry, update: string, options: TimeOptions): string {
  const { times, omitDirTimes, omitLinkTimes } = options;
  const omits = (omitDirTimes && isDirectory(entry)) || (omitLinkTimes && isSymlink(entry));
  if (times && !omits) return changes & ITEM.REPORT_TIME ? "t" : ".";
  if (update === ".") return ".";
  return times ? "t" : "T";
}

function hasReportBits(changes: number): boolean {
  return (changes & (ITEM.IS_NEW | 0x05ff)) !== 0;
}

function updateLetter({ outcome, entry, hardLinkTo }: PulledEntry): string {
  if (outcome === "hard-linked") return "h";
  if (outcome === "unchanged" && hardLinkTo !== undefined) return "h";
  if (outcome === "unchanged" || outcome === "linked") return ".";
  if (outcome === "copied") return "c";
  if (isRegularFile(entry)) return ">";
  return "c";
}

function kindLetter(entry: FileEntry): string {
  if (isRegularFile(entry)) return "f";
  if (isDirectory(entry)) return "d";
  if (isSymlink(entry)) return "L";
  return isDevice(entry) ? "D" : "S";
}

/** The name as rsync prints it: directories end in `/`, links show their target. */
export function displayName(entry: FileEntry): string {
  if (isDirectory(entry)) return `${entry.name}/`;
  if (isSymlink(entry) && entry.linkTarget !== undefined)
    return `${entry.name} -> ${entry.linkTarget}`;
  return entry.name;
}
