import { matchesPattern } from "@dialhome/authorized-keys";

/** Whether a text matches a comma-separated list of patterns (ssh_config(5), "PATTERNS"): some pattern does, and no negated one. */
export function matchesPatternList(list: string, text: string): boolean {
  return matchesPatterns(list.split(","), text);
}

/** The same for patterns that were cut apart already. */
export function matchesPatterns(patterns: readonly string[], text: string): boolean {
  let isMatched = false;
  for (const written of patterns) {
    const isNegated = written.startsWith("!");
    const pattern = isNegated ? written.slice(1) : written;
    if (pattern === "" || !matchesPattern(pattern, text)) continue;
    if (isNegated) return false;
    isMatched = true;
  }
  return isMatched;
}
