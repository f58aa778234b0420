import {
  compileGlob,
  directoryOf,
  hasWildcard,
  RsyncError,
  unescapeServerPath,
} from "@dialhome/rsync-protocol";
import type { PullSource, TransferOptions } from "./pull-options.ts";

/** One component of a path that was asked for. */
type Component = string | ((name: string) => boolean);

/**
 * The names that a sender may list: those that were asked for, what is below them, and with `relative` the directories on the
 * way to them.
 */
export class RequestedNames {
  readonly #tops = new Set<string>();
  /** Paths of several components without wildcards, of which `--files-from` may have very many; and the directories on their way. */
  readonly #paths = new Set<string>();
  readonly #ways = new Set<string>();
  readonly #patterns: (readonly Component[])[] = [];
  readonly #relative: boolean;
  /** Components that a name may have behind what was asked for. */
  readonly #levels: number;

  private constructor(relative: boolean, levels: number) {
    this.#relative = relative;
    this.#levels = levels;
  }

  /** Undefined when anything may come: a path that ends in `/` or names the module stands for all that is in it. */
  static of(source: PullSource, options: TransferOptions): RequestedNames | undefined {
    const relative = options.relative === true;
    const { filesFrom } = options;
    // A list that lies at the far end is not known here.
    if (filesFrom !== undefined && "remote" in filesFrom) return undefined;
    const wanted = filesFrom?.names ?? source.paths;
    if (wanted === undefined || wanted.length === 0) return undefined;
    const isLiteral = filesFrom !== undefined || (source.kind === "daemon" && !source.wildcards);
    const names = new RequestedNames(relative, levelsBelow(options));
    for (const path of wanted) if (!names.#add(path, isLiteral)) return undefined;
    return names;
  }

  /** Whether every list is to be looked at, not only the first: a directory on the way has other children than was asked for. */
  get concernsAll(): boolean {
    return this.#relative;
  }

  /**
   * Whether a name is itself a part of what was asked for; false for a directory that is only on the way to it, of which
   * nothing but the way was asked for.
   * @throws RsyncError `ERR_RSYNC_UNSAFE_PATH` for a name that is neither
   */
  assert(name: string, isDirectory: boolean): boolean {
    const slash = name.indexOf("/");
    const isInTop = this.#tops.has(slash < 0 ? name : name.slice(0, slash));
    if (isInTop && this.#mayHave(name, 1)) return true;
    const found = this.#findPath(name) ?? this.#find(name.split("/"));
    if (found === "wanted") return true;
    if (isDirectory && this.#relative && (found === "on the way" || name === ".")) return false;
    throw new RsyncError(
      "ERR_RSYNC_UNSAFE_PATH",
      `the sender listed "${name}", which was not asked for`,
      { path: name },
    );
  }

  /** @returns false for a path that stands for anything */
  #add(path: string, isLiteral: boolean): boolean {
    const components = cleanComponents(path, this.#relative);
    if (components.length === 0 || components.includes("..")) return false;
    if (components.length === 1 && (isLiteral || !/[*?[\\]/.test(components[0] ?? ""))) {
      this.#tops.add(components[0] ?? "");
      return true;
    }
    if (isLiteral) this.#addPath(components.join("/"));
    else this.#patterns.push(components.map(compileComponent));
    return true;
  }

  #addPath(path: string): void {
    this.#paths.add(path);
    let way = directoryOf(path);
    for (; way !== "." && !this.#ways.has(way); way = directoryOf(way)) this.#ways.add(way);
  }

  #findPath(name: string): "wanted" | "on the way" | undefined {
    if (this.#paths.size === 0) return undefined;
    for (let path = name; path !== "."; path = directoryOf(path)) {
      if (this.#paths.has(path) && this.#mayHave(name, path.split("/").length)) return "wanted";
    }
    return this.#ways.has(name) ? "on the way" : undefined;
  }

  /** Whether `name` is no deeper than is asked for, below something with so many components. */
  #mayHave(name: string, components: number): boolean {
    if (this.#levels === Number.POSITIVE_INFINITY) return true;
    return name.split("/").length - components <= this.#levels;
  }

  #find(parts: readonly string[]): "wanted" | "on the way" | undefined {
    let isOnTheWay = false;
    for (const pattern of this.#patterns) {
      const matches = parts.every((part, at) => {
        const component = pattern[at];
        return (
          component === undefined ||
          (typeof component === "string" ? component === part : component(part))
        );
      });
      if (!matches) continue;
      if (parts.length < pattern.length) isOnTheWay = true;
      else if (parts.length - pattern.length <= this.#levels) return "wanted";
    }
    return isOnTheWay ? "on the way" : undefined;
  }
}

/** How deep a sender lists what is in a directory: all of it, its content, or nothing where a list of files is not to imply that. */
function levelsBelow({ recursive, dirs, filesFrom }: TransferOptions): number {
  if (recursive) return Number.POSITIVE_INFINITY;
  return dirs === false && filesFrom !== undefined ? 0 : 1;
}

/** The names that stand for the paths themselves, without what is below them; undefined when they are not known here. */
export function namesOf(
  source: PullSource,
  { filesFrom, relative }: TransferOptions,
): ReadonlySet<string> | undefined {
  if (filesFrom !== undefined && "remote" in filesFrom) return undefined;
  const wanted = filesFrom?.names ?? source.paths;
  if (!wanted) return undefined;
  const nameOf = (path: string): string => cleanComponents(path, relative === true).join("/");
  // What has wildcards and matches nothing is taken as a name, with and without its escapes.
  return new Set(wanted.flatMap((path) => [nameOf(path), nameOf(unescapeServerPath(path))]));
}

/** The part of a path that becomes names: its last component, or with `relative` all behind `/./`. */
function cleanComponents(path: string, relative: boolean): string[] {
  const dot = path.indexOf("/./");
  const shown = !relative
    ? path.slice(path.lastIndexOf("/") + 1)
    : dot < 0
      ? path
      : path.slice(dot + 3);
  const components: string[] = [];
  for (const part of shown.split("/")) {
    if (part === "" || part === ".") continue;
    if (part === ".." && components.length > 0) components.pop();
    else components.push(part);
  }
  return components;
}

function compileComponent(text: string): Component {
  const plain = unescapeServerPath(text);
  if (!hasWildcard(text)) return plain;
  const matches = compileGlob(text, { afterEverySlash: false, leadingSlash: false });
  // What matches nothing is taken as a name by a shell, and by rsync too.
  return (name) => name === plain || matches(name, 0, false);
}
