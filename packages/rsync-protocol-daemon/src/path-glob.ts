import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import {
  compileGlob,
  type GlobMatcher,
  hasWildcard,
  RsyncError,
  unescapeServerPath,
} from "@dialhome/rsync-protocol";
import { MAX_GLOB_ENTRIES, MAX_SOURCES } from "./constants.ts";
import { openInside, parseRequestedPath, walkInside } from "./path-gate.ts";

/** Counts what wildcards made this session look at. */
export interface GlobBudget {
  entries: number;
}

/** Where wildcards are looked for. */
export interface GlobRoot {
  readonly directory: DirectoryHandle;
  /** Links to absolute paths are taken as seen from the root. */
  readonly followAbsolute: boolean;
  /** Whether a path below the root does not exist for the client. */
  readonly hides: (path: string, isDirectory: boolean) => boolean;
}

/**
 * The paths below `root` that a requested path means: itself without its escapes, or what its wildcards
 * match, sorted. A pattern that matches nothing stands for itself, as in a shell. A wildcard matches no
 * slash; unlike a shell's, but as rsync's, it matches a leading dot, no link to nothing, and whatever stands behind the
 * last one need not be there: then the client is told.
 *
 * @throws RsyncError `ERR_RSYNC_LIMIT` when there are too many
 */
export function expandPath(root: GlobRoot, path: string, budget: GlobBudget): string[] {
  if (!hasWildcard(path)) return [unescapeServerPath(path)];
  const components = path.split("/");
  let found: string[][] = [[]];
  for (const [index, component] of components.entries()) {
    const isLast = index === components.length - 1;
    if (!hasWildcard(component)) {
      const plain = unescapeServerPath(component);
      for (const parts of found) parts.push(plain);
      if (!isLast && plain !== "") found = found.filter((parts) => isThere(root, parts, true));
      continue;
    }
    const matches = compileGlob(component, { afterEverySlash: false, leadingSlash: false });
    found = found.flatMap((parts) =>
      matchingNames(root.directory, parts, matches, budget)
        .map((name) => [...parts, name])
        .filter((way) => isThere(root, way, !isLast)),
    );
    if (found.length > MAX_SOURCES) {
      throw new RsyncError(
        "ERR_RSYNC_LIMIT",
        `a wildcard matches over ${MAX_SOURCES} entries: ask for the directory instead`,
      );
    }
  }
  return found.length === 0 ? [path] : found.map((parts) => parts.join("/"));
}

/** Whether something is where a path leads, links followed; for one that leads out of the root nobody looks. */
function isThere(root: GlobRoot, parts: readonly string[], mustBeDirectory: boolean): boolean {
  const { directory, followAbsolute, hides } = root;
  const { components } = parseRequestedPath(parts.join("/"));
  try {
    const reached = walkInside(directory, components, true, { followAbsolute });
    using held = reached.directory;
    const isDirectory = reached.leaf === undefined;
    if (reached.leaf !== undefined && held.lstat(reached.leaf) === undefined) return false;
    if (!isDirectory && mustBeDirectory) return false;
    return !hides(components.join("/"), isDirectory);
  } catch (error) {
    if (error instanceof RsyncError) return !hides(components.join("/"), false);
    if (errorCode(error) !== undefined) return false;
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
