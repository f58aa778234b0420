import type { FileStat } from "@dialhome/posix-fs";
import { type FileEntry, isRegularFile } from "@dialhome/rsync-protocol";
import type { PullContext } from "./pull-context.ts";
import { statIn } from "./reference-place.ts";

/**
 * What is known from a reference directory of an entry that becomes a hard link to `leader`, so that rsync(1) does not take it for new:
 * with `--link-dest` a name of the very same file, otherwise what the quick check takes for the same.
 *
 * @returns `ITEM` bits for how its attributes differ; undefined when nothing is known of it
 */
export function knownLink(
  context: PullContext,
  entry: FileEntry,
  leader: FileStat | undefined,
): number | undefined {
  const { attributes, comparison, references, referenceUse } = context;
  let known: number | undefined;
  for (const reference of references) {
    const stat = statIn(context, reference, entry.name);
    if (!stat) continue;
    if (referenceUse === "link") {
      if (stat.ino === leader?.ino && stat.dev === leader.dev) return 0;
    } else if (isRegularFile(entry) && isRegularFile(stat) && comparison.isUpToDate(entry, stat)) {
      known = attributes.differences(entry, stat, reference.tree, undefined);
      if (known === 0) return 0;
    }
  }
  return known;
}

/** What lies in the first reference directory that has something under this name. */
export function referredStat(context: PullContext, name: string): FileStat | undefined {
  for (const reference of context.references) {
    const stat = statIn(context, reference, name);
    if (stat) return stat;
  }
  return undefined;
}
