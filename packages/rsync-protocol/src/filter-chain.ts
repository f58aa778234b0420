import {
  type CompileOptions,
  compileRules,
  type DirectoryFile,
  type DirectoryScope,
  type FilterNode,
} from "./filter-nodes.ts";
import type { FilterRule } from "./filter-rule.ts";
import {
  expandMergeFileRules,
  mergeFileSyntax,
  parseFilterText,
  type ReadMergeFile,
} from "./filter-rules.ts";

/** How a chain is used. */
export interface FilterChainOptions {
  /** Rules of the other side alone are left out. */
  readonly side: "sender" | "receiver";
  /**
   * Absolute path of the transfer root, to which all paths given to the chain are relative. Behind a daemon: its path
   * within the module, since that is where `/` is then. @defaultValue "" (the root itself)
   */
  readonly root?: string;
  /** `--delete-excluded`: rules that name no side are the sender's alone. @defaultValue false */
  readonly deleteExcluded?: boolean;
  /** Words that `-C` takes besides CVS's own: the texts of `$HOME/.cvsignore` and CVSIGNORE. @defaultValue none */
  readonly cvsIgnore?: readonly string[];
  /**
   * Reads a file of a directory above the first one entered, for a rule such as `: /.rsync-filter`. `directory` is
   * absolute, without a leading `/`. @defaultValue nothing is read there
   */
  readonly readAncestorFile?: (directory: string, name: string) => string | undefined;
  /**
   * Reads a file that a `merge` rule in a per-directory file names. @defaultValue such a rule is an error, since the
   * tree could otherwise choose any file of the machine
   */
  readonly readMergeFile?: ReadMergeFile;
}

/** What the first matching rule says; undefined if none matches, which includes (and does not protect). */
export type FilterDecision = "include" | "exclude" | undefined;

/** Joins directories that are written without a leading `/`; either may be empty. */
function join(above: string, below: string): string {
  if (above === "" || below === "") return above + below;
  return `${above}/${below}`;
}

/** Takes `.`, `..` and empty components out of a path; the result has no leading `/`. */
function normalise(path: string): string {
  const parts: string[] = [];
  for (const part of path.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== "" && part !== ".") parts.push(part);
  }
  return parts.join("/");
}

/**
 * The filter rules of one session, ready to be asked (rsync(1), FILTER RULES). The first rule that matches decides.
 * Ask for each directory on the way down: nothing below an excluded one is looked at.
 *
 * A sender keeps two chains, the module's own and the client's, and asks the module's first: what that excludes does
 * not exist for the client. With the same `root`, both take the same paths.
 *
 * All text is raw bytes read as latin1; paths have no leading `/`. The transfer root itself (`""`, `"."`) is never
 * excluded. Asking never throws.
 */
export class FilterChain {
  readonly #options: FilterChainOptions;
  readonly #root: string;
  readonly #nodes: readonly FilterNode[];
  /** What holds in the directory entered last. */
  #scope: DirectoryScope;
  /** The same for the directories above it. */
  readonly #above: DirectoryScope[] = [];

  /**
   * @throws RsyncError for `merge` rules (expand them first) and ERR_RSYNC_LIMIT past `FILTER_LIMITS`.
   */
  constructor(rules: readonly FilterRule[], options: FilterChainOptions) {
    this.#options = options;
    this.#root = normalise(options.root ?? "");
    this.#scope = {
      files: [],
      lists: new Map(),
      rules: 0,
      patternBytes: 0,
      hasXattrRules: false,
    };
    this.#nodes = compileRules(rules, [], this.#scope, options);
  }

  /** Nothing is ever excluded. */
  get isEmpty(): boolean {
    return this.#nodes.length === 0;
  }

  /**
   * Files in the tree may add rules: directories must be entered and left, and a client cannot check what the sender
   * left out.
   */
  get readsDirectories(): boolean {
    return this.#scope.files.length > 0;
  }

  /** There are `x` rules; without any, rsync's default for attributes holds. */
  get hasXattrRules(): boolean {
    return this.#scope.hasXattrRules;
  }

  /**
   * Goes into a directory (relative to the transfer root, which is `""`), before its entries are asked for. It lies
   * below the one entered last. The rules of its files come before those above.
   *
   * `readFile` gives the text of a file in this very directory; it must not follow a symlink there (rsync does not).
   *
   * @throws RsyncError for a wrong rule in a file, and ERR_RSYNC_LIMIT past `FILTER_LIMITS`. Then nothing was entered.
   */
  enterDirectory(directory: string, readFile: ReadMergeFile): void {
    const above = this.#scope;
    if (above.files.length > 0) {
      const here = join(this.#root, normalise(directory));
      const scope: DirectoryScope = { ...above, lists: new Map(above.lists) };
      // A file may bring further dir-merge rules, whose files are then read in this directory too.
      for (let index = 0; index < scope.files.length; index++) {
        const file = scope.files[index];
        if (file === undefined) break;
        if (!scope.lists.has(file)) this.#readAncestors(scope, file, here);
        if (file.rule.noInherit) scope.lists.set(file, []);
        this.#read(scope, file, here, readFile(file.name));
      }
      this.#scope = scope;
    }
    this.#above.push(above);
  }

  /** Goes back out of the directory entered last. */
  leaveDirectory(): void {
    const above = this.#above.pop();
    if (above === undefined) throw new Error("no directory was entered");
    this.#scope = above;
  }

  /**
   * The first match among the rules. On the receiver, `exclude` protects a file from deletion and `include` puts it at
   * risk; `ignorePerishable` is for what is in a directory that is itself being deleted.
   */
  decide(path: string, isDirectory: boolean, ignorePerishable = false): FilterDecision {
    if (this.#nodes.length === 0 || path === "" || path === ".") return undefined;
    return this.#first(this.#nodes, path, isDirectory, ignorePerishable, false);
  }

  /** Whether a path is left out. It says nothing of the directories above it. */
  excluded(path: string, isDirectory: boolean): boolean {
    return this.decide(path, isDirectory) === "exclude";
  }

  /** Whether a path that is asked for by its name is out of reach: itself, or a directory on the way to it. */
  excludedByAncestors(path: string, isDirectory: boolean): boolean {
    if (this.#nodes.length === 0) return false;
    for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1))
      if (this.excluded(path.slice(0, slash), true)) return true;
    return this.excluded(path, isDirectory);
  }

  /** What the `x` rules say of the name of an extended attribute. */
  decideXattr(name: string): FilterDecision {
    return this.#first(this.#nodes, name, false, false, true);
  }

  #first(
    nodes: readonly FilterNode[],
    path: string,
    isDirectory: boolean,
    ignorePerishable: boolean,
    xattr: boolean,
  ): FilterDecision {
    for (const node of nodes) {
      if (node.kind === "file") {
        const list = this.#scope.lists.get(node);
        if (list === undefined || list.length === 0) continue;
        const decision = this.#first(list, path, isDirectory, ignorePerishable, xattr);
        if (decision !== undefined) return decision;
      } else if (node.xattr === xattr && !(ignorePerishable && node.perishable)) {
        const subject = node.base === undefined ? path : this.#below(node.base, path);
        if (node.matches(subject, isDirectory) !== node.negated) return node.decision;
      }
    }
    return undefined;
  }

  /** The path as seen from an absolute directory above it. */
  #below(base: string, path: string): string {
    if (base === this.#root) return path;
    const full = join(this.#root, path);
    return base === "" ? full : full.slice(base.length + 1);
  }

  /** Puts the rules of a directory's file before those that the file has so far. */
  #read(
    scope: DirectoryScope,
    file: DirectoryFile,
    directory: string,
    text: string | undefined,
  ): void {
    const inherited = scope.lists.get(file) ?? [];
    // Also without a file: what was read above holds from here on, and is not looked for again.
    scope.lists.set(file, inherited);
    if (text === undefined) return;
    const options: CompileOptions = { ...this.#options, directory };
    const rules = parseFilterText(text, mergeFileSyntax(file.rule));
    const { readMergeFile } = this.#options;
    const expanded =
      readMergeFile === undefined ? rules : expandMergeFileRules(rules, readMergeFile);
    scope.lists.set(file, compileRules(expanded, inherited, scope, options));
  }

  /** Reads the files above the first directory, if the rule names a directory to begin from. */
  #readAncestors(scope: DirectoryScope, file: DirectoryFile, here: string): void {
    const { readAncestorFile } = this.#options;
    const { pattern, noInherit } = file.rule;
    const slash = pattern.lastIndexOf("/");
    if (slash === -1 || noInherit || readAncestorFile === undefined) return;
    const start = pattern.slice(0, slash);
    let directory = normalise(pattern.startsWith("/") ? start : `${here}/${start}`);
    if (directory !== "" && !here.startsWith(`${directory}/`)) return;
    while (directory !== here) {
      this.#read(scope, file, directory, readAncestorFile(directory, file.name));
      const end = here.indexOf("/", directory === "" ? 0 : directory.length + 1);
      directory = end === -1 ? here : here.slice(0, end);
    }
  }
}
