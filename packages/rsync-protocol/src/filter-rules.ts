import { PROTOCOL } from "./constants.ts";
import { RsyncError } from "./errors.ts";
import {
  FILTER_LIMITS,
  type FilterRule,
  filterError,
  filterLimit,
  formatFilterRule,
  shownFilterText,
} from "./filter-rule.ts";
import {
  type FilterSyntax,
  parseFilterRule,
  parsePatternRule,
  readFilterRuleAt,
} from "./filter-rule-parser.ts";

/** Reads a merge file by the name in its rule; undefined if there is none. Raw bytes read as latin1. */
export type ReadMergeFile = (name: string) => string | undefined;

/** Parses rules that stand in one string, separated by white space if the syntax says so (rsyncd.conf(5), `filter`). */
function parseRuleString(text: string, syntax: FilterSyntax): FilterRule[] {
  const rules: FilterRule[] = [];
  for (let at = 0; ; ) {
    const read = readFilterRuleAt(text, at, syntax);
    if (read === undefined) return rules;
    rules.push(read.rule);
    if (rules.length > FILTER_LIMITS.rules)
      throw filterLimit(text, `more than ${FILTER_LIMITS.rules} rules`);
    at = read.next;
  }
}

/** How the file of a merge rule is written, and what the rule hands down to the rules in it. */
export function mergeFileSyntax(merge: FilterRule): FilterSyntax {
  return {
    entries: merge.entries,
    wordSplit: merge.wordSplit,
    cvs: merge.cvs,
    absolute: merge.absolute,
    perishable: merge.perishable,
    sides: merge.sides,
  };
}

/**
 * Parses the text of a merge file, or of an `--exclude-from` file (`{ entries: "old-exclude" }`). One rule a line;
 * empty lines and lines that begin with `#` or `;` are passed over. With `wordSplit`, each word is a rule and nothing
 * is a comment; a prefix then needs `_` before its pattern (`-_*.o`), as in rsync 3.5, whose manual says otherwise.
 *
 * @throws RsyncError for a wrong rule, and ERR_RSYNC_LIMIT for a text over {@link FILTER_LIMITS}.
 */
export function parseFilterText(text: string, syntax: FilterSyntax): FilterRule[] {
  if (text.length > FILTER_LIMITS.mergeFileBytes)
    throw filterLimit(
      text,
      `a file of ${text.length} bytes, limit ${FILTER_LIMITS.mergeFileBytes}`,
    );
  const wordSplit = syntax.wordSplit ?? false;
  const rules: FilterRule[] = [];
  const separator = wordSplit ? /[\t-\r ]/u : syntax.from0 ? "\0" : /[\n\r]/u;
  for (const token of text.split(separator)) {
    if (token === "" || (!wordSplit && /^[#;]/u.test(token))) continue;
    rules.push(...parseRuleString(token, syntax));
  }
  if (rules.length > FILTER_LIMITS.rules)
    throw filterLimit(text, `a file of ${rules.length} rules, limit ${FILTER_LIMITS.rules}`);
  return rules;
}

/** What CVS ignores by itself (rsync(1), `--cvs-exclude`). */
const CVS_IGNORED =
  "RCS SCCS CVS CVS.adm RCSLOG cvslog.* tags TAGS .make.state .nse_depinfo *~ #* .#* ,* _$* *$ *.old *.bak *.BAK " +
  "*.orig *.rej .del-* *.a *.olb *.o *.obj *.so *.exe *.Z *.elc *.ln core .svn/ .git/ .hg/ .bzr/";

/**
 * The rules a `-C` stands for: CVS's own list, perishable, then the words of `extra` (what `$HOME/.cvsignore` and the
 * environment's CVSIGNORE hold; the caller reads them).
 *
 * @throws RsyncError for a word of `extra` that is too long.
 */
export function cvsRules(rule: FilterRule, extra: readonly string[] = []): FilterRule[] {
  const syntax: FilterSyntax = {
    entries: rule.type === "include" ? "include" : "exclude",
    wordSplit: true,
    cvs: true,
    perishable: rule.perishable,
    sides: rule.sides,
  };
  const own = parseRuleString(CVS_IGNORED, { ...syntax, perishable: true });
  return applyClears([...own, ...extra.flatMap((text) => parseRuleString(text, syntax))]);
}

/** The two rules that `--cvs-exclude` puts behind all others; a server adds them itself if `C` is in its arguments. */
export function cvsExcludeRules(): FilterRule[] {
  return [parseFilterRule(":C"), parseFilterRule("-C")];
}

/** Drops each `!` and what stands before it. */
function applyClears(rules: readonly FilterRule[]): FilterRule[] {
  return rules.slice(rules.findLastIndex((rule) => rule.type === "clear") + 1);
}

/** The last component of a merge file's name. */
export function mergeFileBaseName(name: string): string {
  return name.slice(name.lastIndexOf("/") + 1);
}

/** Puts the exclusion that `e` asks for in front of its merge rule. */
export function splitExcludeSelf(rule: FilterRule): FilterRule[] {
  if (!rule.excludeSelf) return [rule];
  const self = parseFilterRule(`- ${mergeFileBaseName(rule.pattern)}`);
  return [self, { ...rule, excludeSelf: false }];
}

/** As {@link expandMergeRules}, but leaves each `!` where it is: it may reach further back than these rules. */
export function expandMergeFileRules(
  rules: readonly FilterRule[],
  readFile: ReadMergeFile,
  depth = 0,
): FilterRule[] {
  const expanded: FilterRule[] = [];
  for (const rule of rules.flatMap(splitExcludeSelf)) {
    if (rule.type === "merge") {
      if (depth >= FILTER_LIMITS.mergeDepth)
        throw filterLimit(rule.pattern, `merge files nest deeper than ${FILTER_LIMITS.mergeDepth}`);
      const text = readFile(rule.pattern);
      if (text === undefined) throw filterError(formatFilterRule(rule), "its file cannot be read");
      const inner = parseFilterText(text, mergeFileSyntax(rule));
      expanded.push(...expandMergeFileRules(inner, readFile, depth + 1));
    } else {
      expanded.push(rule);
    }
    if (expanded.length > FILTER_LIMITS.rules)
      throw filterLimit(rule.pattern, `more than ${FILTER_LIMITS.rules} rules`);
  }
  return expanded;
}

/**
 * Replaces each `merge` rule by the rules of its file, files within files too, and takes `e` and `!` into account.
 * What is left can be sent, or given to a chain.
 *
 * @throws RsyncError for a file that is missing or has a wrong rule, and ERR_RSYNC_LIMIT if files nest too deep.
 */
export function expandMergeRules(
  rules: readonly FilterRule[],
  readFile: ReadMergeFile,
): FilterRule[] {
  return applyClears(expandMergeFileRules(rules, readFile));
}

/** What decides how rules are sent. */
export interface SentFilterOptions {
  /** `--delete-excluded`: a rule that names no side is for the sender alone. @defaultValue false */
  readonly deleteExcluded?: boolean;
  /** That of the session: before 30 there was no `p`, before 29 nothing but include and exclude. @defaultValue 32 */
  readonly protocol?: number;
}

/** `--delete-excluded`: makes each plain rule without a side a sender's rule. */
export function senderOnlyUnlessNamed(rule: FilterRule): FilterRule {
  const plain = rule.type === "include" || rule.type === "exclude";
  return plain && rule.sides === "any" ? { ...rule, sides: "sender" } : rule;
}

/**
 * The texts a pulling client sends for its rules (merge rules already expanded): all but those of the receiver alone.
 *
 * @throws RsyncError for a `merge` rule: only its client can read the file.
 */
export function formatSentFilters(
  rules: readonly FilterRule[],
  options: SentFilterOptions = {},
): string[] {
  const directoryFiles = new Set<string>();
  const sent: string[] = [];
  for (const written of applyClears(rules)) {
    for (const rule of splitExcludeSelf(written)) {
      if (rule.type === "merge")
        throw filterError(formatFilterRule(rule), "a merge rule cannot be sent");
      if (rule.type === "dir-merge") {
        const name = mergeFileBaseName(rule.pattern);
        if (directoryFiles.has(name)) continue;
        directoryFiles.add(name);
      }
      const sided = options.deleteExcluded === true ? senderOnlyUnlessNamed(rule) : rule;
      if (sided.sides !== "receiver")
        sent.push(formatForProtocol(sided, options.protocol ?? PROTOCOL.MAX));
    }
  }
  return sent;
}

/** The protocol that brought all of the rules' syntax but the modifier `p`, which came with the next. */
const SYNTAX_SINCE = 29;

/** @throws RsyncError exit code 2, for a rule that the protocol cannot tell: as the original, rather than to send it changed */
function formatForProtocol(rule: FilterRule, protocol: number): string {
  if (protocol > SYNTAX_SINCE) return formatFilterRule(rule);
  const lasting = { ...rule, perishable: false };
  if (protocol === SYNTAX_SINCE) return formatFilterRule(lasting);
  // Only the sender hears it: its side need not be named.
  const text = formatFilterRule({ ...lasting, sides: "any" });
  if (/^[-+] /u.test(text)) return text;
  throw new RsyncError(
    "ERR_RSYNC_INCOMPATIBLE",
    `filter rule "${shownFilterText(text)}": protocol ${protocol} knows no such rule`,
  );
}

/**
 * Parses a rule that a client sent. The forms are those of {@link parseFilterRule}, save `merge`: a peer does not
 * choose files to be read here.
 *
 * @throws RsyncError as {@link parseFilterRule}.
 */
export function parseSentFilter(text: string): FilterRule {
  const rule = parseFilterRule(text);
  if (rule.type === "merge") throw filterError(text, "a merge rule is not taken from a peer");
  return rule;
}

/** As {@link parseSentFilter}; below protocol 29 a rule is a pattern to exclude, unless it begins with `+ ` or `- `. */
export function sentFilterParser(protocol: number): (text: string) => FilterRule {
  return protocol >= SYNTAX_SINCE ? parseSentFilter : (text) => parsePatternRule(text, "exclude");
}

/** The filter parameters of a module (rsyncd.conf(5)), as text; `…From` hold what is in the file. */
export interface ModuleFilterText {
  readonly filter?: string;
  readonly includeFrom?: string;
  readonly include?: string;
  readonly excludeFrom?: string;
  readonly exclude?: string;
}

/**
 * Parses the filter parameters of a module into one list, in the daemon's order of priority. A pattern with a `/` is
 * matched from the module's root. Unlike rsync 3.5, which drops them, `hide` and `s` rules hold for the sender.
 *
 * @throws RsyncError for a wrong rule or a merge file that `readFile` does not give.
 */
export function parseModuleFilters(
  text: ModuleFilterText,
  readFile: ReadMergeFile = () => undefined,
): FilterRule[] {
  const rules = [
    ...parseRuleString(text.filter ?? "", { entries: "rules", wordSplit: true }),
    ...parseFilterText(text.includeFrom ?? "", { entries: "old-include" }),
    ...parseRuleString(text.include ?? "", { entries: "old-include", wordSplit: true }),
    ...parseFilterText(text.excludeFrom ?? "", { entries: "old-exclude" }),
    ...parseRuleString(text.exclude ?? "", { entries: "old-exclude", wordSplit: true }),
  ];
  return expandMergeRules(rules, readFile).map((rule) =>
    rule.pattern.includes("/") && (rule.type === "include" || rule.type === "exclude")
      ? { ...rule, absolute: true }
      : rule,
  );
}
