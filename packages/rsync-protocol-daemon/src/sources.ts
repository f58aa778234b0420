import { type DirectoryHandle, errorCode, isDirectory } from "@dialhome/posix-fs";
import { RsyncError } from "@dialhome/rsync-protocol";
import { MAX_SOURCES } from "./constants.ts";
import { openInside, parseRequestedPath } from "./path-gate.ts";
import { expandPath, type GlobBudget } from "./path-glob.ts";
import { describeError, type Report } from "./report.ts";
import { Source } from "./source.ts";
import { type SessionFilters, SourceFilter } from "./source-filter.ts";

/** Where requested paths lead. */
export interface SourceRoot {
  /** Nothing above or beside it is reached. Stays the caller's. */
  readonly directory: DirectoryHandle;
  /** Links to absolute paths are taken as seen from the root, instead of refused. */
  readonly followAbsolute: boolean;
  /** How a path below the root is shown in messages. */
  readonly label: (path: string) => string;
}

/** A source, or why there is none. */
type Opened = Source | { readonly missing: string; readonly error: unknown };

/**
 * Expands wildcards in the paths of a daemon's client. A path stays below the root.
 *
 * @throws RsyncError `ERR_RSYNC_LIMIT` when they are too many
 */
export function expandPaths(root: SourceRoot, paths: readonly string[]): string[] {
  const budget: GlobBudget = { entries: 0 };
  const expanded = paths.flatMap((path) => expandPath(root.directory, path, budget));
  if (expanded.length > MAX_SOURCES) {
    throw new RsyncError("ERR_RSYNC_LIMIT", `${expanded.length} sources, limit ${MAX_SOURCES}`);
  }
  return expanded;
}

/**
 * Opens what was asked for. What is not there is reported to the client and left out.
 *
 * @returns sources that the caller closes
 */
export function openSources(
  root: SourceRoot,
  paths: readonly string[],
  filters: SessionFilters,
  report: Report,
  ignoreMissing: boolean,
): Source[] {
  const sources: Source[] = [];
  for (const path of paths) {
    const opened = openSource(root, path, filters);
    if (opened instanceof Source) sources.push(opened);
    else if (!ignoreMissing || errorCode(opened.error) !== "ENOENT") {
      // As rsync: no I/O error bit, only a message that makes the client exit with 23.
      report.transferError(
        `[sender] link_stat ${root.label(opened.missing)} failed: ${describeError(opened.error)}`,
      );
    }
  }
  return sources;
}

function openSource(root: SourceRoot, path: string, filters: SessionFilters): Opened {
  const { components, isContent } = parseRequestedPath(path);
  const missing = components.join("/");
  const above = isContent ? components : components.slice(0, -1);
  const top = isContent ? undefined : components.at(-1);
  let directory: DirectoryHandle;
  try {
    directory = openInside(root.directory, above, root.followAbsolute);
  } catch (error) {
    if (error instanceof RsyncError || errorCode(error) !== undefined) return { missing, error };
    throw error;
  }
  const prefix = above.length === 0 ? "" : `${above.join("/")}/`;
  const label = (name: string): string =>
    root.label(name === "." ? above.join("/") : prefix + name);
  const within = new SourceFilter(filters, "");
  const filter = new SourceFilter(filters, above.join("/"));
  try {
    const stat = top === undefined ? directory.stat() : directory.lstat(Buffer.from(top, "latin1"));
    if (stat !== undefined && !within.hidesRequested(missing, isDirectory(stat))) {
      return new Source(directory, top, filter, label);
    }
  } catch (error) {
    directory.close();
    return { missing, error };
  }
  directory.close();
  const error = Object.assign(new Error("ENOENT: no such file or directory"), {
    code: "ENOENT",
    errno: 2,
  });
  return { missing, error };
}
