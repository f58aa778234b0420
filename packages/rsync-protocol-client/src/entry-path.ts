import { nameBytes } from "./destination-tree.ts";

/** Where an entry stands in a tree. */
export interface EntryPath {
  /** Path of its directory; `.` is the root. Entries of one directory that are met one after the other share the very same text. */
  readonly directory: string;
  /** The last component. */
  readonly base: string;
  /** Its bytes, for calls of the system; not to be written to. */
  readonly bytes: Buffer;
}

let lastName = "";
let last: EntryPath = { directory: ".", base: "", bytes: Buffer.alloc(0) };

/**
 * Takes a path apart. An entry is looked up in the destination and in each reference directory and then made, one right after the
 * other, so the last one is kept: texts and buffers are what much of a pull without changes is spent on.
 */
export function entryPath(name: string): EntryPath {
  if (name === lastName) return last;
  const slash = name.lastIndexOf("/");
  const base = name.slice(slash + 1);
  const { directory } = last;
  const isSame = slash === directory.length && name.startsWith(directory);
  last = {
    directory: slash < 0 ? "." : isSame ? directory : name.slice(0, slash),
    base,
    bytes: nameBytes(base),
  };
  lastName = name;
  return last;
}
