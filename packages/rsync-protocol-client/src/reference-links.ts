import type { FileStat } from "@dialhome/posix-fs";
import { type FileEntry, isRegularFile } from "@dialhome/rsync-protocol";
import { entryPath } from "./entry-path.ts";
import type { PullContext, Reference } from "./pull-context.ts";

/**
 * Whether an entry that becomes a hard link to `leader` is known from a reference directory, so that rsync(1) does not count it as
 * new: with `--link-dest` as a name of the very same file, otherwise by the quick check.
 */
export function isKnownLink(
  context: PullContext,
  entry: FileEntry,
  leader: FileStat | undefined,
): boolean {
  return context.references.some((reference) => {
    const stat = statIn(context, reference, entry);
    if (!stat) return false;
    if (context.referenceUse === "link") return stat.ino === leader?.ino && stat.dev === leader.dev;
    return (
      isRegularFile(entry) && isRegularFile(stat) && context.comparison.isUpToDate(entry, stat)
    );
  });
}

function statIn(
  { attributes }: PullContext,
  { tree }: Reference,
  entry: FileEntry,
): FileStat | undefined {
  try {
    const { directory, bytes } = entryPath(entry.name);
    return attributes.lstat(tree.directory(directory), bytes);
  } catch {
    // Its directory is not there, or cannot be read.
    return undefined;
  }
}
