import { BackupError } from "../errors.ts";

/** A rule's kind with its modifiers, one space or `_`, and its pattern. */
const RULE = /^(\S+?)[ _](.*)$/s;

/**
 * Rules, one each, as the value of rsyncd.conf's `filter`, which takes them apart at white space: what stands between a rule
 * and its pattern becomes `_`, and white space in a pattern a class of wildcards. In bytes as latin1, as paths are matched.
 *
 * @throws BackupError `ERR_BACKUP_UNSUPPORTED` for a pattern with both white space and brackets
 */
export function filterWords(rules: readonly string[]): string {
  return rules.map(filterWord).join(" ");
}

function filterWord(rule: string): string {
  const [, kind = "", pattern = ""] = RULE.exec(rule) ?? [];
  const bytes = Buffer.from(pattern, "utf8").toString("latin1");
  if (pattern === "") return rule;
  if (!/[\t-\r ]/.test(bytes)) return `${kind}_${bytes}`;
  if (bytes.includes("[") || /^(?:\.|:|merge|dir-merge)/.test(kind)) {
    throw new BackupError(
      "ERR_BACKUP_UNSUPPORTED",
      `filter rule ${JSON.stringify(rule)}: white space beside brackets, or in a file's name, needs --rsync`,
    );
  }
  // The class makes wildcards of the pattern, in which a backslash needs another.
  const literal = /[*?]/.test(bytes) ? bytes : bytes.replaceAll("\\", "\\\\");
  return `${kind}_${literal.replace(/[\t-\r ]/g, "[[:space:]]")}`;
}
