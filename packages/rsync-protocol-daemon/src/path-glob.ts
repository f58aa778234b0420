import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import {
  compileGlob,
  type GlobMatcher,
  hasWildcard,
  RsyncError,
  unescapeServerPath,
} from "@dialhome/rsync-protocol";
import { MAX_GLOB_ENTRIES, MAX_SOURCES } from "./constants.ts";
import { openInside, parseRequestedPath } from "./path-gate.ts";

/** Counts what wildcards made this session look at. */
export interface GlobBudget {
  entries: number;
}

/**
 * The paths below `root` that a requested path means: itself without its escapes, or what its wildcards
 * match, sorted. A pattern that matches nothing stands for itself, as in a shell. A wildcard matches no
 * slash; unlike a shell's, but as rsync's, it matches a leading dot.
 *
 * @throws RsyncError `ERR_RSYNC_LIMIT` when there are too many
 */
export function expandPath(root: DirectoryHandle, path: string, budget: GlobBudget): string[] {
  if (!hasWildcard(path)) return [unescapeServerPath(path)];
  let found: string[][] = [[]];
  for (const component of path.split("/")) {
    if (!hasWildcard(component)) {
      const plain = unescapeServerPath(component);
      for (const parts of found) parts.push(plain);
      continue;
    }
    const matches = compileGlob(component, { afterEverySlash: false, leadingSlash: false });
    found = found.flatMap((parts) =>
      matchingNames(root, parts, matches, budget).map((name) => [...parts, name]),
    );
    if (found.length > MAX_SOURCES) {
      throw new RsyncError(
        "ERR_RSYNC_LIMIT",
        `a wildcard matches over ${MAX_SOURCES} entries: ask for the directory instead`,
      );
    }
  }
  const existing = found.filter((parts) => exists(root, parts)).map((parts) => parts.join("/"));
  return existing.length === 0 ? [path] : existing;
}

/** Whether what stands behind the last wildcard is there as well. */
function exists(root: DirectoryHandle, parts: readonly string[]): boolean {
  const { components } = parseRequestedPath(parts.join("/"));
  const last = components.at(-1);
  if (last === undefined) return true;
  try {
    using directory = openInside(root, components.slice(0, -1));
    return directory.lstat(Buffer.from(last, "latin1")) !== undefined;
  } catch (error) {
    if (error instanceof RsyncError || errorCode(error) !== undefined) return false;
    throw error;
  }
}

function matchingNames(
  root: DirectoryHandle,
  parts: readonly string[],
  matches: GlobMatcher,
  budget: GlobBudget,
): string[] {
  const components = parts.filter((part) => part !== "" && part !== ".");
  if (components.includes("..")) return [];
  let directory: DirectoryHandle;
  try {
    directory = openInside(root, components);
  } catch (error) {
    if (error instanceof RsyncError || errorCode(error) !== undefined) return [];
    throw error;
  }
  try {
    const names = directory.names().map((name) => name.toString("latin1"));
    budget.entries += names.length;
    if (budget.entries > MAX_GLOB_ENTRIES) {
      throw new RsyncError(
        "ERR_RSYNC_LIMIT",
        `wildcards over more than ${MAX_GLOB_ENTRIES} entries: ask for the directory instead`,
      );
    }
    return names.filter((name) => matches(name, 0, false)).toSorted();
  } finally {
    directory.close();
  }
}
