import { RsyncError } from "@dialhome/rsync-protocol";
import { parseRequestedPath, type RequestedPath } from "./path-gate.ts";

/** A requested path as a transfer takes it: where the names of its list begin, and what is asked for there. */
export interface RequestedSource {
  /** Components of the transfer's root, below the module's. */
  readonly base: readonly string[];
  /** What is asked for, as a name of the list; undefined for the transfer's root itself. */
  readonly top: string | undefined;
  /** It is spelled with a slash at its end: a directory stands for its content, and a link to one for it. */
  readonly isContent: boolean;
  /** With `-R`: it begins with `./`, which makes the root an entry too. */
  readonly hasImpliedRoot: boolean;
}

/** How paths are taken. */
export interface RequestStyle {
  /** `-R`: the whole path is in the list, or what stands behind `/./`. */
  readonly isRelative: boolean;
  /** `..` never leads above the module, as a daemon has it. Else `-R` refuses it. */
  readonly isSanitised: boolean;
  /** A `./` in front means something. In an argument of a daemon's client it does not. */
  readonly keepsDot: boolean;
  /** Where paths begin, below the module's root: what `--files-from` names lies there. */
  readonly base: readonly string[];
}

/**
 * Takes a source argument apart: rsync's flist.c, send_file_list.
 *
 * @throws RsyncError for `..` in a path that would be in the list
 */
export function parseSource(path: string, style: RequestStyle): RequestedSource {
  if (!style.isRelative) {
    const { components, isContent } = locate(path, style);
    const top = isContent ? undefined : components.at(-1);
    const base = isContent ? components : components.slice(0, -1);
    return { base, top, isContent, hasImpliedRoot: false };
  }
  const cut = path.indexOf("/./");
  const rest = (cut < 0 ? path : path.slice(cut + 3)).replace(/^\/+/, "");
  if (!style.isSanitised && rest.split("/").includes("..")) {
    throw new RsyncError("ERR_RSYNC_UNSUPPORTED", `found ".." dir in relative path: ${rest}`, {
      exitCode: 1,
    });
  }
  // An absolute path begins at the root, whatever stands before it.
  const before = cut < 0 ? (path.startsWith("/") ? "/" : "") : path.slice(0, cut + 1);
  const { components, isContent } = parseRequestedPath(rest);
  return {
    base: locate(before, style).components,
    top: components.length === 0 ? undefined : components.join("/"),
    isContent,
    hasImpliedRoot: style.keepsDot && rest.startsWith("./") && components.length > 0,
  };
}

/** A path from the root. Where a daemon has it, nothing leads above where paths begin. */
function locate(path: string, style: RequestStyle): RequestedPath {
  if (style.isSanitised) {
    const { components, isContent } = parseRequestedPath(path);
    return { components: [...style.base, ...components], isContent };
  }
  const begin = path.startsWith("/") ? "" : `${style.base.join("/")}/`;
  return parseRequestedPath(begin + path);
}

/** The directories that lead to a name of the list, outermost first. */
export function directoriesAbove(name: string): string[] {
  const above: string[] = [];
  for (let slash = name.indexOf("/"); slash >= 0; slash = name.indexOf("/", slash + 1)) {
    above.push(name.slice(0, slash));
  }
  return above;
}
