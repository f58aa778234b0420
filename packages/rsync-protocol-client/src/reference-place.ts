import * as fs from "node:fs";
import type { FileStat } from "@dialhome/posix-fs";
import type { FileEntry } from "@dialhome/rsync-protocol";
import { entryPath } from "./entry-path.ts";
import type { Place } from "./placement.ts";
import type { PullContext, Reference } from "./pull-context.ts";

/** The place of an entry in a reference directory. Throws as `openat` does when its directory is not there. */
export function placeIn({ tree }: Reference, entry: FileEntry): Place {
  const { directory, bytes } = entryPath(entry.name);
  return { directory: tree.directory(directory), name: bytes };
}

/** Opens the file there for reading. Throws as `openat` does. */
export function openIn(reference: Reference, entry: FileEntry): number {
  const { directory, name } = placeIn(reference, entry);
  return directory.openFile(name, fs.constants.O_RDONLY);
}

/** What is there under a name; undefined also when its directory is not there or cannot be read, since then nothing there is of use. */
export function statIn(
  { attributes }: PullContext,
  { tree }: Reference,
  name: string,
): FileStat | undefined {
  try {
    if (name === ".") return attributes.statOf(tree.root);
    const { directory, bytes } = entryPath(name);
    return attributes.lstat(tree.directory(directory), bytes);
  } catch {
    return undefined;
  }
}
