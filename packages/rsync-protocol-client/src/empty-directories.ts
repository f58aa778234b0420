import {
  directoryOf,
  type FileList,
  type FilterChain,
  isDirectory,
} from "@dialhome/rsync-protocol";

/**
 * Takes the directories in which no file is out of a complete list (`--prune-empty-dirs`). As in rsync(1), one that a rule
 * excludes here stays, with those it lies in.
 */
export function dropEmptyDirectories(list: FileList, rules: FilterChain): void {
  const needed = new Set<string>(["."]);
  for (const entry of list.wire) {
    const directory = isDirectory(entry);
    if (directory && !rules.excluded(entry.name, true)) continue;
    let name = directory ? entry.name : directoryOf(entry.name);
    // Those above a needed one are known.
    for (; !needed.has(name); name = directoryOf(name)) needed.add(name);
  }
  for (const entry of list.wire) {
    if (isDirectory(entry) && !needed.has(entry.name)) list.dropped.add(entry);
  }
}
