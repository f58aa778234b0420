import {
  FILTER_LIMITS,
  type FilterRule,
  type FilterRuleType,
  type FilterSides,
  filterError,
  filterLimit,
  shownFilterText,
} from "./filter-rule.ts";

/** What a rule starts from: how its text is written, and what the merge rule that names its file hands down. */
export interface FilterSyntax {
  /**
   * `rules`: type, modifiers, pattern. `include`, `exclude`: a bare pattern. `old-include`, `old-exclude`: the same,
   * save that a leading `+ ` or `- ` tells the type and a lone `!` clears, as in `--exclude` and `--exclude-from`.
   */
  readonly entries: "rules" | "include" | "exclude" | "old-include" | "old-exclude";
  /** A rule ends at white space. @defaultValue false */
  readonly wordSplit?: boolean;
  /** A rule ends with a NUL, not with a newline. @defaultValue false */
  readonly from0?: boolean;
  /** A lone `!` clears even among bare patterns. @defaultValue false */
  readonly cvs?: boolean;
  /** @defaultValue false */
  readonly absolute?: boolean;
  /** @defaultValue false */
  readonly perishable?: boolean;
  /** @defaultValue "any" */
  readonly sides?: FilterSides;
}

const PLAIN: FilterRule = {
  type: "exclude",
  pattern: "",
  absolute: false,
  negated: false,
  cvs: false,
  noInherit: false,
  wordSplit: false,
  entries: "rules",
  excludeSelf: false,
  xattr: false,
  sides: "any",
  perishable: false,
};

type Head = readonly [type: FilterRuleType, sides: FilterSides];

/** The letters and words that begin a rule. */
const HEADS: Readonly<Record<string, Head>> = {
  "+": ["include", "any"],
  include: ["include", "any"],
  "-": ["exclude", "any"],
  exclude: ["exclude", "any"],
  ".": ["merge", "any"],
  merge: ["merge", "any"],
  ":": ["dir-merge", "any"],
  "dir-merge": ["dir-merge", "any"],
  H: ["exclude", "sender"],
  hide: ["exclude", "sender"],
  S: ["include", "sender"],
  show: ["include", "sender"],
  P: ["exclude", "receiver"],
  protect: ["exclude", "receiver"],
  R: ["include", "receiver"],
  risk: ["include", "receiver"],
  "!": ["clear", "any"],
  clear: ["clear", "any"],
};

/** One to 0xff in every character: what a C string can hold. */
function isByteText(text: string): boolean {
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0 || code > 0xff) return false;
  }
  return true;
}

const isSpace = (char: string | undefined): boolean => char !== undefined && /[\t-\r ]/u.test(char);

/** Finds the rule's type and where its modifiers begin. */
function readHead(text: string, start: number): { head: Head; next: number } {
  const word = /^[a-z][a-z-]*/u.exec(text.slice(start, start + 16))?.[0];
  const letter = text[start] ?? "";
  if (word !== undefined) {
    const head = Object.hasOwn(HEADS, word) ? HEADS[word] : undefined;
    const after = text[start + word.length];
    if (head !== undefined && (after === undefined || /[,_\s]/u.test(after)))
      return { head, next: start + word.length + (after === "," ? 1 : 0) };
  } else if (Object.hasOwn(HEADS, letter)) {
    const head = HEADS[letter];
    if (head !== undefined) return { head, next: start + (text[start + 1] === "," ? 2 : 1) };
  }
  throw filterError(text.slice(start), "unknown rule type");
}

type Draft = { -readonly [Key in keyof FilterRule]: FilterRule[Key] };

/** Sets one modifier; false if it does not go with the rule. */
function setModifier(rule: Draft, letter: string, sideIsGiven: boolean): boolean {
  const merges = rule.type === "merge" || rule.type === "dir-merge";
  switch (letter) {
    case "/":
      rule.absolute = true;
      return true;
    case "!":
      rule.negated = true;
      return !merges;
    case "+":
    case "-": {
      const first = merges && rule.entries === "rules";
      rule.entries = letter === "+" ? "include" : "exclude";
      return first;
    }
    case "C": {
      const fits = rule.entries === "rules" && !rule.cvs && !sideIsGiven;
      rule.cvs = true;
      if (merges) Object.assign(rule, { entries: "exclude", noInherit: true, wordSplit: true });
      return fits;
    }
    case "e":
      rule.excludeSelf = true;
      return merges;
    case "n":
      rule.noInherit = true;
      return merges;
    case "w":
      rule.wordSplit = true;
      return merges;
    case "p":
      rule.perishable = true;
      return true;
    case "x":
      rule.xattr = true;
      return true;
    case "r":
    case "s": {
      const side = letter === "s" ? "sender" : "receiver";
      rule.sides = rule.sides === "any" || rule.sides === side ? side : "both";
      return !sideIsGiven;
    }
    default:
      return false;
  }
}

/** Reads type and modifiers of a rule into `rule`; returns where the pattern begins. */
function readPrefix(text: string, start: number, rule: Draft, wordSplit: boolean): number {
  const { head, next } = readHead(text, start);
  rule.type = head[0];
  rule.sides = head[1];
  if (rule.type === "clear") return next;
  let at = next;
  for (; at < text.length && text[at] !== " " && text[at] !== "_"; at++) {
    // Without a pattern, the next word is not this rule's.
    if (wordSplit && isSpace(text[at])) return at;
    const letter = text[at] ?? "";
    if (!setModifier(rule, letter, head[1] !== "any"))
      throw filterError(text.slice(start), `invalid modifier "${shownFilterText(letter)}"`);
  }
  return Math.min(at + 1, text.length);
}

/** A rule and where the text goes on after it. */
interface ReadRule {
  readonly rule: FilterRule;
  readonly next: number;
}

/** Reads the next rule of `text` from `from`; undefined where there is none. Throws {@link RsyncError}. */
export function readFilterRuleAt(
  text: string,
  from: number,
  syntax: FilterSyntax,
): ReadRule | undefined {
  const { entries, wordSplit = false, cvs = false, sides = "any" } = syntax;
  let at = from;
  if (wordSplit) while (isSpace(text[at])) at += 1;
  if (at >= text.length) return undefined;
  const start = at;
  const rule: Draft = {
    ...PLAIN,
    type: entries === "include" || entries === "old-include" ? "include" : "exclude",
    absolute: syntax.absolute ?? false,
    perishable: syntax.perishable ?? false,
  };
  const old = entries === "old-include" || entries === "old-exclude";
  const sign = text.slice(at, at + 2);
  if (entries === "rules") at = readPrefix(text, at, rule, wordSplit);
  else if (old && (sign === "+ " || sign === "- ")) {
    rule.type = sign === "+ " ? "include" : "exclude";
    at += 2;
  }
  let end = text.length;
  if (wordSplit) for (end = at; end < text.length && !isSpace(text[end]); ) end += 1;
  const pattern = text.slice(at, end);

  if (rule.type === "clear") {
    if (pattern !== "") throw filterError(text.slice(start, end), "nothing may follow a clear");
    return { rule: { ...PLAIN, type: "clear" }, next: end };
  }
  // Of bare patterns, only a whole "!" is more than its text.
  if ((old || (cvs && entries !== "rules")) && text.slice(start, end) === "!")
    return { rule: { ...PLAIN, type: "clear" }, next: end };
  if (pattern === "" && !rule.cvs)
    throw filterError(text.slice(start, end), "a pattern is missing");
  if (pattern.length > FILTER_LIMITS.patternBytes)
    throw filterLimit(pattern, `${pattern.length} bytes, limit ${FILTER_LIMITS.patternBytes}`);
  if (!isByteText(pattern)) throw filterError(pattern, "a NUL, or text that is not bytes");
  if (sides !== "any") {
    if (rule.sides !== "any")
      throw filterError(text.slice(start, end), "its merge rule already names a side");
    rule.sides = sides;
  }
  rule.pattern = pattern;
  if (rule.cvs) {
    const merges = rule.type === "merge" || rule.type === "dir-merge";
    if (!merges) rule.pattern = "";
    else if (pattern === "") rule.pattern = ".cvsignore";
  }
  return { rule, next: end };
}

/**
 * Parses one rule of the form `--filter` takes, which is also the form on the wire (protocol 29 and later):
 * `- *.o`, `-s_*.o`, `include,! x`, `:n- .excl`, `hide x`, `!`.
 *
 * @throws RsyncError ERR_RSYNC_PROTOCOL with exit code 1 that names the rule and what is wrong;
 * ERR_RSYNC_LIMIT for a pattern over {@link FILTER_LIMITS}.
 */
export function parseFilterRule(text: string): FilterRule {
  const read = readFilterRuleAt(text, 0, { entries: "rules" });
  if (read === undefined) throw filterError(text, "it is empty");
  return read.rule;
}

/**
 * Parses the argument of `--exclude` or `--include`: a bare pattern, one with `+ ` or `- ` in front, or `!`.
 *
 * @throws RsyncError as {@link parseFilterRule}.
 */
export function parsePatternRule(text: string, type: "include" | "exclude"): FilterRule {
  const read = readFilterRuleAt(text, 0, { entries: `old-${type}` });
  if (read === undefined) throw filterError(text, "it is empty");
  return read.rule;
}
