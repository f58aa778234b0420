import {
  expandMergeRules,
  type FilterRule,
  formatFilterRule,
  parseFilterRule,
  parseFilterText,
  parsePatternRule,
} from "@dialhome/rsync-protocol";
import { latin1 } from "../argument-bytes.ts";

/** Gives the text of a file that an option or a rule names: raw bytes read as latin1. */
export type ReadRuleFile = (path: string) => string;

/** The rules of `-F`: with the second one the files themselves stay behind. */
const PER_DIRECTORY_RULES = [": /.rsync-filter", "- .rsync-filter"] as const;

/** The filter options of a command line, in their order. */
export class FilterArguments {
  readonly #readRuleFile: ReadRuleFile;
  readonly #rules: FilterRule[] = [];
  #perDirectory = 0;

  constructor(readRuleFile: ReadRuleFile) {
    this.#readRuleFile = readRuleFile;
  }

  /** `--filter` */
  addRule(text: string): void {
    this.#rules.push(parseFilterRule(latin1(text)));
  }

  /** `--exclude`, `--include`: as of old, a pattern may bring its own `+ ` or `- `, and `!` forgets those before it. */
  addPattern(kind: "exclude" | "include", text: string): void {
    this.#rules.push(parsePatternRule(latin1(text), kind));
  }

  /** `--exclude-from`, `--include-from`; with `from0` each ends with a NUL instead of a newline. */
  addPatternFile(kind: "exclude" | "include", path: string, from0: boolean): void {
    const text = this.#readRuleFile(path);
    this.#rules.push(...parseFilterText(text, { entries: `old-${kind}`, from0 }));
  }

  /** `-F` */
  addPerDirectoryFile(): void {
    const rule = PER_DIRECTORY_RULES[this.#perDirectory];
    if (rule !== undefined) this.addRule(rule);
    this.#perDirectory += 1;
  }

  /** All of them in their wire form, with the rules of merge files in their places. */
  result(): readonly string[] {
    const read = (name: string): string =>
      this.#readRuleFile(Buffer.from(name, "latin1").toString("utf8"));
    return expandMergeRules(this.#rules, read).map(formatFilterRule);
  }
}
