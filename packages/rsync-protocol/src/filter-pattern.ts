import { compileGlob } from "./filter-glob.ts";

/**
 * Says whether a path matches. The path is relative to where anchored patterns hold, has no leading or trailing `/`,
 * and is raw bytes read as latin1.
 */
export type PathMatcher = (path: string, isDirectory: boolean) => boolean;

/** A compiled pattern. */
export interface CompiledPattern {
  readonly matches: PathMatcher;
  /** The pattern looks at the last component alone, so it is the same wherever its rule is anchored. */
  readonly lastComponentOnly: boolean;
}

/** Where the last `count` components of a path begin; -1 if it has fewer. */
function trailingComponents(path: string, count: number): number {
  let slash = path.length;
  for (let left = count; left > 0; left--) {
    if (slash <= 0) return -1;
    slash = path.lastIndexOf("/", slash - 1);
    if (slash === -1) return left === 1 ? 0 : -1;
  }
  return slash + 1;
}

function compileLiteral(text: string, anchored: boolean): PathMatcher {
  if (anchored) return (path) => path === text;
  const tail = `/${text}`;
  return (path) => path.endsWith(text) && (path.length === text.length || path.endsWith(tail));
}

function compileWild(pattern: string, text: string, anchored: boolean): PathMatcher {
  const slashes = pattern.split("/").length - 1;
  const crossing = pattern.includes("**");
  const leadingSlash = pattern.startsWith("**");
  const glob = compileGlob(text, {
    afterEverySlash: crossing && !anchored && !leadingSlash,
    leadingSlash,
  });
  if (crossing) {
    // "dir/***" also matches the directory itself: its name is taken with a slash behind.
    const selfToo = pattern.endsWith("***");
    return (path, isDirectory) => glob(path, 0, selfToo && isDirectory);
  }
  if (anchored) return (path) => glob(path, 0, false);
  if (slashes === 0) return (path) => glob(path, path.lastIndexOf("/") + 1, false);
  return (path) => {
    const start = trailingComponents(path, slashes + 1);
    return start >= 0 && glob(path, start, false);
  };
}

/**
 * Compiles a pattern of a filter rule (rsync(1), PATTERN MATCHING RULES):
 * `/x` is anchored, `x/` is for directories only, a pattern with an inner `/` is compared with as many trailing
 * components, one with `**` with the whole path, any other with the last component.
 * A backslash escapes only where the pattern has one of `*`, `?`, `[`.
 *
 * Never throws; the time of a match is bounded by path bytes × pattern bytes / 32.
 */
export function compilePattern(pattern: string): CompiledPattern {
  const directoriesOnly = pattern.length > 1 && pattern.endsWith("/");
  const body = directoriesOnly ? pattern.slice(0, -1) : pattern;
  const anchored = body.startsWith("/");
  const text = anchored ? body.slice(1) : body;
  let matcher: PathMatcher | undefined;
  // Compiled at the first use: of a long list, most rules of a session are often never reached.
  const compile = (): PathMatcher =>
    /[*?[]/u.test(body) ? compileWild(body, text, anchored) : compileLiteral(text, anchored);
  return {
    lastComponentOnly: !body.includes("/") && !body.includes("**"),
    matches: (path, isDirectory) => {
      if (directoriesOnly && !isDirectory) return false;
      matcher ??= compile();
      return matcher(path, isDirectory);
    },
  };
}
