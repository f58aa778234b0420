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
  const { wire } = list;
  for (let place = 0; place < wire.length; place++) {
    const directory = isDirectory({ mode: wire.modeAt(place) });
    if (directory && !rules.excluded(wire.nameAt(place), true)) continue;
    let name = directory ? wire.nameAt(place) : wire.directoryAt(place);
    // Those above a needed one are known.
    for (; !needed.has(name); name = directoryOf(name)) needed.add(name);
  }
  for (let place = 0; place < wire.length; place++) {
    const directory = isDirectory({ mode: wire.modeAt(place) });
    if (directory && !needed.has(wire.nameAt(place))) list.drop(place);
  }
}
