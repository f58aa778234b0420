import { compilePattern, type PathMatcher } from "./filter-pattern.ts";
import {
  FILTER_LIMITS,
  type FilterRule,
  filterError,
  filterLimit,
  formatFilterRule,
} from "./filter-rule.ts";
import {
  cvsRules,
  mergeFileBaseName,
  senderOnlyUnlessNamed,
  splitExcludeSelf,
} from "./filter-rules.ts";

/** A rule that can be asked. */
export interface RuleNode {
  readonly kind: "rule";
  readonly decision: "include" | "exclude";
  readonly negated: boolean;
  readonly perishable: boolean;
  readonly xattr: boolean;
  /** Absolute directory, without a leading `/`, from which the path is matched; undefined: the transfer root. */
  readonly base: string | undefined;
  readonly matches: PathMatcher;
}

/** A dir-merge rule: the place in the list where the rules of its files stand. */
export interface DirectoryFile {
  readonly kind: "file";
  readonly rule: FilterRule;
  /** The file's name in each directory. */
  readonly name: string;
}

/** An entry of a compiled list. */
export type FilterNode = RuleNode | DirectoryFile;

/** What holds in one directory. */
export interface DirectoryScope {
  /** The dir-merge rules in effect, in the order in which they were met. */
  files: readonly DirectoryFile[];
  /** Rules from their files: this directory's first, then those inherited. */
  readonly lists: Map<DirectoryFile, readonly FilterNode[]>;
  /** Rules compiled on the way to here. */
  rules: number;
  /** Bytes of their patterns. */
  patternBytes: number;
  hasXattrRules: boolean;
}

/** What compiling needs to know besides the rules. */
export interface CompileOptions {
  readonly side: "sender" | "receiver";
  readonly deleteExcluded?: boolean;
  readonly cvsIgnore?: readonly string[];
  /** Absolute directory of the file that the rules come from; undefined for the session's own rules. */
  readonly directory?: string;
}

/** Takes the dir-merge rules in a cleared list out of effect, those in their own lists too. */
function dropFiles(nodes: readonly FilterNode[], scope: DirectoryScope): void {
  for (const node of nodes) {
    if (node.kind !== "file") continue;
    const inner = scope.lists.get(node) ?? [];
    scope.files = scope.files.filter((file) => file !== node);
    scope.lists.delete(node);
    dropFiles(inner, scope);
  }
}

function compileRule(rule: FilterRule, directory: string | undefined): RuleNode {
  const { matches, lastComponentOnly } = compilePattern(rule.pattern);
  let base: string | undefined;
  if (rule.absolute) base = lastComponentOnly ? undefined : "";
  // An anchored rule of a directory's file holds from that directory on.
  else if (rule.pattern.startsWith("/")) base = directory;
  return {
    kind: "rule",
    decision: rule.type === "include" ? "include" : "exclude",
    negated: rule.negated,
    perishable: rule.perishable,
    xattr: rule.xattr,
    base,
    matches,
  };
}

function addFile(rule: FilterRule, nodes: FilterNode[], scope: DirectoryScope): void {
  const name = mergeFileBaseName(rule.pattern);
  if (name === "" || name === "." || name === "..")
    throw filterError(formatFilterRule(rule), "it names no file");
  // The first mention of a file decides its place.
  if (scope.files.some((file) => file.name === name)) return;
  const file: DirectoryFile = { kind: "file", rule, name };
  scope.files = [...scope.files, file];
  nodes.push(file);
}

function countRule(rule: FilterRule, scope: DirectoryScope): void {
  scope.rules += 1;
  scope.patternBytes += rule.pattern.length;
  if (rule.xattr) scope.hasXattrRules = true;
  if (scope.rules > FILTER_LIMITS.rules)
    throw filterLimit(rule.pattern, `more than ${FILTER_LIMITS.rules} rules in effect`);
  if (scope.patternBytes > FILTER_LIMITS.totalPatternBytes) {
    throw filterLimit(
      rule.pattern,
      `more than ${FILTER_LIMITS.totalPatternBytes} bytes of patterns in effect`,
    );
  }
}

/**
 * Compiles rules into the list that stands before `inherited`, without those of the other side. New dir-merge rules are
 * added to `scope`; a clear drops what stands before it, `inherited` included.
 *
 * @throws RsyncError for a `merge` rule, and ERR_RSYNC_LIMIT past {@link FILTER_LIMITS}.
 */
export function compileRules(
  rules: readonly FilterRule[],
  inherited: readonly FilterNode[],
  scope: DirectoryScope,
  options: CompileOptions,
): readonly FilterNode[] {
  const otherSide = options.side === "sender" ? "receiver" : "sender";
  let own: FilterNode[] = [];
  let rest = inherited;
  for (const written of rules) {
    if (written.type === "clear") {
      dropFiles([...own, ...rest], scope);
      own = [];
      rest = [];
      continue;
    }
    for (const part of splitExcludeSelf(written)) {
      const rule = options.deleteExcluded === true ? senderOnlyUnlessNamed(part) : part;
      // A one-sided dir-merge rule stays: its files are read for their mistakes on either side, as rsync does.
      if (rule.sides === otherSide && rule.type !== "dir-merge") continue;
      countRule(rule, scope);
      if (rule.type === "merge") throw filterError(formatFilterRule(rule), "its file was not read");
      if (rule.type === "dir-merge") addFile(rule, own, scope);
      else if (!rule.cvs) own.push(compileRule(rule, options.directory));
      else
        own.push(
          ...cvsRules(rule, options.cvsIgnore).map((ignored) => compileRule(ignored, undefined)),
        );
    }
  }
  return rest.length === 0 ? own : [...own, ...rest];
}
