import { type FileEntry, isSymlink } from "@dialhome/rsync-protocol";
import { applyChmod, type ChmodRule, parseChmod } from "./chmod-rules.ts";
import type { TransferOptions } from "./pull-options.ts";

/** What makes the target of a munged link unusable, and can be taken away again (rsyncd.conf(5), "munge symlinks"). */
export const MUNGED = "/rsyncd-munged/";

/** Gives an entry of a list the form in which it is to be here. */
export type ChangeEntry = (entry: FileEntry) => FileEntry;

/**
 * The changes that options ask for while lists come in: `--chmod`, as if the sender had those permissions, and `--munge-links`.
 * Undefined when there are none.
 */
export function entryChanges(options: TransferOptions): ChangeEntry | undefined {
  const rules = options.chmod === undefined ? [] : parseChmod(options.chmod, process.umask());
  const munges = options.mungeLinks === true;
  if (rules.length === 0 && !munges) return undefined;
  return (entry) => changed(entry, rules, munges);
}

function changed(entry: FileEntry, rules: readonly ChmodRule[], munges: boolean): FileEntry {
  if (!isSymlink(entry)) {
    return rules.length === 0 ? entry : { ...entry, mode: applyChmod(entry.mode, rules) };
  }
  if (!munges || entry.linkTarget === undefined) return entry;
  return { ...entry, linkTarget: MUNGED + entry.linkTarget };
}
