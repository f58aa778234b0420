import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { LIMITS, RsyncError, type ServerOptions } from "@dialhome/rsync-protocol";
import { MAX_SOURCES } from "./constants.ts";
import { LinkFollower, type LinkPolicy, linkPolicies, noSuchEntry } from "./link-follower.ts";
import { type Reached, walkInside } from "./path-gate.ts";
import { expandPath, type GlobBudget, type GlobRoot } from "./path-glob.ts";
import type { Report } from "./report.ts";
import {
  directoriesAbove,
  parseSource,
  type RequestedSource,
  type RequestStyle,
} from "./requested-source.ts";
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

/** What decides how sources are opened. */
export interface OpenOptions {
  readonly style: RequestStyle;
  readonly options: Readonly<ServerOptions>;
  readonly filters: SessionFilters;
}

/**
 * Expands wildcards in the paths of a daemon's client. A path stays below the root.
 *
 * @param filter - what the module's rules leave out no wildcard matches
 * @throws RsyncError `ERR_RSYNC_LIMIT` when they are too many
 */
export function expandPaths(
  root: SourceRoot,
  paths: readonly string[],
  filter: SourceFilter,
): string[] {
  const budget: GlobBudget = { entries: 0 };
  const { directory, followAbsolute } = root;
  const hides: GlobRoot["hides"] = (path, isDir) => filter.hidesRequested(path, isDir);
  const where = { directory, followAbsolute, hides };
  const expanded = paths.flatMap((path) => expandPath(where, path, budget));
  if (expanded.length > MAX_SOURCES) {
    throw new RsyncError("ERR_RSYNC_LIMIT", `${expanded.length} sources, limit ${MAX_SOURCES}`);
  }
  return expanded;
}

/** One requested path, and the source in which it lies. */
export interface SourceRequest extends RequestedSource {
  readonly source: Source;
}

/**
 * Opens the directories in which what was asked for lies: one source for all paths with the same root of transfer.
 * Where there is no such directory, the client is told.
 */
export class SourceOpener {
  readonly #root: SourceRoot;
  readonly #how: OpenOptions;
  readonly #report: Report;
  readonly #policies: ReadonlySet<LinkPolicy>;
  /** The module's rules as seen from its root. */
  readonly #whole: SourceFilter;
  /** By the path of their directory; undefined where it cannot be opened. */
  readonly #sources = new Map<string, Source | undefined>();

  constructor(root: SourceRoot, how: OpenOptions, report: Report) {
    this.#root = root;
    this.#how = how;
    this.#report = report;
    this.#policies = linkPolicies(how.options);
    this.#whole = new SourceFilter(how.filters, "");
  }

  /**
   * @returns undefined when the client was told that there is nothing
   * @throws RsyncError for a path that no transfer can take
   */
  open(path: string): SourceRequest | undefined {
    const requested = parseSource(path, this.#how.style);
    const { base, top, isContent } = requested;
    const key = base.join("/");
    if (path.length > LIMITS.nameBytes) {
      this.#failed(key, nameTooLong());
      return undefined;
    }
    if (!this.#sources.has(key)) this.#sources.set(key, this.#openBase(base));
    const source = this.#sources.get(key);
    if (source === undefined) return undefined;
    if (top !== undefined) {
      const above = directoriesAbove(top);
      source.willFollow(isContent ? [...above, top] : above);
    }
    return { ...requested, source };
  }

  /** Closes all sources. */
  close(): void {
    for (const source of this.#sources.values()) source?.close();
    this.#sources.clear();
  }

  #openBase(base: readonly string[]): Source | undefined {
    const { directory: root, followAbsolute, label } = this.#root;
    const above = base.join("/");
    let reached: Reached;
    try {
      reached = walkInside(root, base, false, { followAbsolute });
    } catch (error) {
      if (!(error instanceof RsyncError) && errorCode(error) === undefined) throw error;
      this.#failed(above, error);
      return undefined;
    }
    // What the module's rules hide is hidden under every name that leads to it.
    const hides = (path: string, isDirectory: boolean): boolean =>
      path !== "" && this.#whole.hidesRequested(path, isDirectory);
    if (hides(above, true) || hides(reached.components.join("/"), true)) {
      reached.directory.close();
      this.#failed(above, noSuchEntry());
      return undefined;
    }
    const prefix = above === "" ? "" : `${above}/`;
    return new Source({
      directory: reached.directory,
      filter: new SourceFilter(this.#how.filters, above),
      hides: (name, isDirectory) => name !== "." && hides(prefix + name, isDirectory),
      follower: new LinkFollower({
        root: this.#root,
        base: reached.components,
        policies: this.#policies,
        hides,
      }),
      label: (name) => label(name === "." ? above : prefix + name),
      path: (name) => (name === "." ? above : prefix + name),
    });
  }

  #failed(directory: string, error: unknown): void {
    this.#report.failed("change_dir", `${this.#root.label(directory)} failed`, error);
  }
}

/** As the kernel says it. */
function nameTooLong(): Error {
  return Object.assign(new Error("ENAMETOOLONG: file name too long"), {
    code: "ENAMETOOLONG",
    errno: 36,
  });
}
