import { type FileEntry, isDirectory } from "./file-entry.ts";

/** What places an entry among others. */
export type Placed = Pick<FileEntry, "name" | "mode">;

/**
 * Which of two entries comes first in a list: below 0 the first, above 0 the second, 0 when name and kind are equal.
 * `shared` characters at the beginning of both names, up to and with a slash, are known to be equal.
 */
export type EntryOrder = (a: Placed, b: Placed, shared?: number) => number;

const SLASH = 0x2f;
/** In front of every character. */
const END = -1;

/**
 * The order of protocol 29 and later: level by level, files before directories, a directory right before its content,
 * directories compared as if they ended in `/` (flist.c f_name_cmp). A million names are compared where they lie: keys made for the
 * purpose would take more memory than the names.
 */
export function compareEntries(a: Placed, b: Placed, shared = 0): number {
  const x = a.name;
  const y = b.name;
  if (x === "." || y === ".") return x === y ? 0 : x === "." ? -1 : 1;
  const shorter = Math.min(x.length, y.length);
  let at = shared;
  while (at < shorter && x.charCodeAt(at) === y.charCodeAt(at)) at++;
  // The components that differ, or end here: either is a directory when something follows it.
  const xIsDirectory = x.includes("/", at) || isDirectory(a);
  const yIsDirectory = y.includes("/", at) || isDirectory(b);
  if (xIsDirectory !== yIsDirectory) return xIsDirectory ? 1 : -1;
  const end = xIsDirectory ? SLASH : END;
  const next = (at < x.length ? x.charCodeAt(at) : end) - (at < y.length ? y.charCodeAt(at) : end);
  // Both at a slash: one of them is the directory, which comes before its content.
  return next === 0 ? x.length - y.length : next;
}

/** The order of a protocol: below 29 names are compared as they are, whatever they are of. */
export function entryOrderOf(protocol: number): EntryOrder {
  return protocol >= 29
    ? compareEntries
    : (a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0);
}
