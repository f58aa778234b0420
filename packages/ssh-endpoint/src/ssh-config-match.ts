import { matchesPatternList } from "./pattern-list.ts";
import { takeWord } from "./ssh-config-line.ts";

/** What the conditions of a `Match` line are held against. */
export interface MatchFacts {
  readonly originalHost: string;
  /** Name of the host, after the HostName that is in force so far. */
  readonly hostName: string;
  /** Who logs in, after the User that is in force so far. */
  readonly user: string;
  readonly localUser: string;
  /** Whether the files are read for the second time, as `final` asks for. */
  readonly isFinalPass: boolean;
}

/** What a `Match` line says. */
export interface MatchVerdict {
  readonly isMatch: boolean;
  /** The files must be read a second time. */
  readonly wantsFinalPass: boolean;
  /** There is an `exec`: no command is run here, so it counts as failed, negated or not. */
  readonly hasExec: boolean;
}

/** Judges what follows `Match`; undefined when it cannot be understood. */
export function judgeMatch(conditions: string, facts: MatchFacts): MatchVerdict | undefined {
  let isMatch = true;
  let wantsFinalPass = false;
  let hasExec = false;
  let count = 0;
  let passes = 0;
  let left: string | undefined = conditions;
  const require = (holds: boolean, isNegated: boolean): void => {
    if (holds === isNegated) isMatch = false;
  };
  for (;;) {
    const condition = takeWord(left);
    if (condition === undefined || condition.word === "" || condition.word.startsWith("#")) break;
    const isNegated = condition.word.startsWith("!");
    const name = (isNegated ? condition.word.slice(1) : condition.word).toLowerCase();
    left = condition.rest;
    count++;
    if (name === "final" || name === "canonical") {
      if (name === "final") wantsFinalPass = true;
      passes++;
      require(facts.isFinalPass, isNegated);
      continue;
    }
    const argument = takeWord(left);
    const isMissing =
      argument === undefined || argument.word === "" || argument.word.startsWith("#");
    if (name === "all") {
      // The last word, with at most one `final` or `canonical` before it.
      if (passes > 1 || !isMissing) return undefined;
      require(true, isNegated);
      continue;
    }
    if (isMissing) return undefined;
    left = argument.rest;
    if (name === "exec") {
      hasExec = true;
      isMatch = false;
      continue;
    }
    const subject = subjectOf(name, facts);
    if (subject === undefined) return undefined;
    const [text, isHost] = subject;
    const list = isHost ? argument.word.toLowerCase() : argument.word;
    require(matchesPatternList(list, isHost ? text.toLowerCase() : text), isNegated);
  }
  return count === 0 ? undefined : { isMatch, wantsFinalPass, hasExec };
}

function subjectOf(name: string, facts: MatchFacts): readonly [string, boolean] | undefined {
  switch (name) {
    case "host":
      return [facts.hostName, true];
    case "originalhost":
      return [facts.originalHost, true];
    case "user":
      return [facts.user, false];
    case "localuser":
      return [facts.localUser, false];
    default:
      return undefined;
  }
}
