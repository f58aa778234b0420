import { compileGlob, serverOptionLetter } from "@dialhome/rsync-protocol";

/** Options that no wildcard means: clients need them, or another parameter decides (rsyncd.conf(5), refuse options). */
const EXACT_ONLY: ReadonlySet<string> = new Set([
  "from0",
  "secluded-args",
  "dry-run",
  "iconv",
  "no-iconv",
  "checksum-seed",
  "copy-devices",
  "write-devices",
  "log-format",
  "sender",
  "server",
]);

/** What `a` and `archive` stand for. */
const ARCHIVE_LETTERS = "ardlptgoD";

/** Every way in which something is deleted: all are refused with `delete`, that of the sender's own files too. */
const DELETING: ReadonlySet<string> = new Set([
  "delete",
  "del",
  "delete-before",
  "delete-during",
  "delete-delay",
  "delete-after",
  "delete-excluded",
  "delete-missing-args",
  "remove-source-files",
  "remove-sent-files",
]);

/**
 * The first of the options given that a module refuses, by the name that it is refused by; undefined when there is none.
 *
 * @param given - long names
 */
export function refusedOption(
  given: readonly string[],
  patterns: readonly string[],
): string | undefined {
  for (const name of given) {
    if (DELETING.has(name) && isRefusedOption("delete", patterns)) return "delete";
    if (isRefusedOption(name, patterns)) return name;
    // What it is where nothing more is said.
    if (name === "delete" && isRefusedOption("delete-before", patterns)) return "delete-before";
  }
  return undefined;
}

/**
 * Whether a module's `refuse options` mean an option: names, letters and wildcards, later ones before earlier ones, and with `!`
 * in front of what is allowed after all.
 *
 * @param name - the option's long name
 */
export function isRefusedOption(name: string, patterns: readonly string[]): boolean {
  const letter = serverOptionLetter(name);
  let refused = false;
  for (const pattern of patterns) {
    const isNegated = pattern.startsWith("!") && pattern.length > 1;
    const text = isNegated ? pattern.slice(1) : pattern;
    if (means(text, name, letter)) refused = !isNegated;
  }
  return refused;
}

function means(pattern: string, name: string, letter: string | undefined): boolean {
  if (pattern === "a" || pattern === "archive") {
    return letter !== undefined && ARCHIVE_LETTERS.includes(letter);
  }
  if (!/[*?[]/.test(pattern)) return pattern === name || pattern === letter;
  if (EXACT_ONLY.has(name)) return false;
  const matches = compileGlob(pattern, { afterEverySlash: false, leadingSlash: false });
  return matches(name, 0, false) || (letter !== undefined && matches(letter, 0, false));
}

/** An option as it is named in a refusal: `--checksum (-c)`. */
export function optionLabel(name: string): string {
  const letter = serverOptionLetter(name);
  return letter === undefined ? `--${name}` : `--${name} (-${letter})`;
}
