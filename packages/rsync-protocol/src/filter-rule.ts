import { RsyncError } from "./errors.ts";
import { EXIT } from "./exit-codes.ts";

/** Bounds for filter rules, each checked before the rules are used. */
export const FILTER_LIMITS = {
  /** Longest pattern or file name in a rule, in bytes: PATH_MAX of Linux less its NUL; rsync drops longer rules. */
  patternBytes: 4095,
  /** Longest merge file, in bytes. */
  mergeFileBytes: 1_048_576,
  /** Rules in effect at once, those of directories above included. */
  rules: 10_000,
  /** All patterns in effect at once, in bytes: this bounds the time for one path. */
  totalPatternBytes: 1_048_576,
  /** Merge files that name merge files. */
  mergeDepth: 16,
} as const;

/** What a rule does when it matches, or which list it changes. */
export type FilterRuleType = "include" | "exclude" | "merge" | "dir-merge" | "clear";

/** The sides a rule names: "any" if it has neither `s` nor `r`, "both" if it has both. */
export type FilterSides = "any" | "sender" | "receiver" | "both";

/** One filter rule (rsync(1), FILTER RULES IN DEPTH). All text is raw bytes read as latin1. */
export interface FilterRule {
  readonly type: FilterRuleType;
  /** The pattern as written, or the name of a merge file; empty for `clear` and for a plain rule with `C`. */
  readonly pattern: string;
  /** `/`: match the absolute path. */
  readonly absolute: boolean;
  /** `!`: take effect where the pattern does not match. */
  readonly negated: boolean;
  /** `C`: CVS's own list (include, exclude), or a file read as CVS does (merge, dir-merge). */
  readonly cvs: boolean;
  /** `n`: a directory's rules do not hold below its subdirectories. Merges only. */
  readonly noInherit: boolean;
  /** `w`: the file is split at white space. Merges only. */
  readonly wordSplit: boolean;
  /** `+`, `-`: the file holds bare patterns of that type. Merges only. */
  readonly entries: "rules" | "include" | "exclude";
  /** `e`: exclude the merge file itself. Merges only. */
  readonly excludeSelf: boolean;
  /** `x`: the pattern is for names of extended attributes, and for nothing else. */
  readonly xattr: boolean;
  /** `s`, `r`. */
  readonly sides: FilterSides;
  /** `p`: does not protect the content of a directory that is being deleted. */
  readonly perishable: boolean;
}

/** Longest piece of a rule in a message, in characters. */
const LONGEST_SHOWN = 80;

/** Text from a rule as it may stand in a message: escaped and cut. */
export function shownFilterText(text: string): string {
  // Cut first: the text may be a whole file.
  const escaped = text
    .slice(0, LONGEST_SHOWN)
    .replace(/[^\x20-\x7e]/gu, (char) => `\\x${char.charCodeAt(0).toString(16).padStart(2, "0")}`);
  return text.length > LONGEST_SHOWN ? `${escaped}…` : escaped;
}

/** A mistake in a rule; rsync(1) leaves with 1 for it. */
export function filterError(rule: string, what: string): RsyncError {
  return new RsyncError("ERR_RSYNC_PROTOCOL", `filter rule "${shownFilterText(rule)}": ${what}`, {
    exitCode: EXIT.SYNTAX,
  });
}

/** A rule, or rules together, that are larger than {@link FILTER_LIMITS} allows. */
export function filterLimit(subject: string, what: string): RsyncError {
  return new RsyncError("ERR_RSYNC_LIMIT", `filter rule "${shownFilterText(subject)}": ${what}`);
}

const TYPE_LETTERS: Readonly<Record<FilterRuleType, string>> = {
  include: "+",
  exclude: "-",
  merge: ".",
  "dir-merge": ":",
  clear: "!",
};

/**
 * Formats a rule as rsync(1) writes it on the wire, modifiers in its order. {@link parseFilterRule} gives the same
 * rule back.
 */
export function formatFilterRule(rule: FilterRule): string {
  if (rule.type === "clear") return TYPE_LETTERS.clear;
  let text = TYPE_LETTERS[rule.type];
  if (rule.absolute) text += "/";
  if (rule.negated) text += "!";
  if (rule.cvs) text += "C";
  else {
    if (rule.noInherit) text += "n";
    if (rule.wordSplit) text += "w";
    if (rule.entries !== "rules") text += rule.entries === "include" ? "+" : "-";
  }
  if (rule.excludeSelf) text += "e";
  if (rule.xattr) text += "x";
  if (rule.sides === "sender" || rule.sides === "both") text += "s";
  if (rule.sides === "receiver" || rule.sides === "both") text += "r";
  if (rule.perishable) text += "p";
  return `${text} ${rule.pattern}`;
}
