import { readFileSync } from "node:fs";
import { compileGlob } from "@dialhome/rsync-protocol";
import type { SecretLookup } from "./options.ts";

/** What a rule of `auth users` says about whom it means: `deny`, or that they may read. */
export type AuthRuleEffect = "deny" | "allow";

/** One rule of `auth users`. */
export interface AuthRule {
  /** A wildcard for the user's name or, with `isGroup`, for the names of the groups the user is in on this machine. */
  readonly pattern: string;
  readonly isGroup: boolean;
  readonly effect: AuthRuleEffect;
}

/** Passwords of a secrets file. */
export interface Secrets {
  readonly users: ReadonlyMap<string, string>;
  readonly groups: ReadonlyMap<string, string>;
}

/** Names of the groups that a user of this machine is in; none for anybody else. */
export type GroupsOfUser = (user: string) => readonly string[];

/**
 * Splits a list as rsyncd.conf(5) has it: at commas and white space or, when it begins with a comma, at commas alone.
 */
export function splitList(text: string): string[] {
  const separator = text.trimStart().startsWith(",") ? /,/ : /[\s,]+/;
  return text
    .split(separator)
    .map((item) => item.trim())
    .filter((item) => item !== "");
}

/** Takes `auth users` apart: `joe:deny @guest:deny @staff:ro susan`. What is written, `rw` too, may only read here. */
export function parseAuthRules(text: string): AuthRule[] {
  return splitList(text).map((item) => {
    const colon = item.indexOf(":");
    const who = colon < 0 ? item : item.slice(0, colon);
    const option = colon < 0 ? "" : item.slice(colon + 1).toLowerCase();
    const isGroup = who.startsWith("@");
    return {
      pattern: isGroup ? who.slice(1) : who,
      isGroup,
      effect: option.startsWith("d") ? "deny" : "allow",
    };
  });
}

/** Lines `name:password` and `@group:password`; the first line of a name counts, and `#` begins a comment. */
export function parseSecrets(text: string): Secrets {
  const users = new Map<string, string>();
  const groups = new Map<string, string>();
  for (const line of text.split(/[\r\n]+/)) {
    const colon = line.indexOf(":");
    if (colon < 1 || line.startsWith("#")) continue;
    const isGroup = line.startsWith("@");
    const map = isGroup ? groups : users;
    const name = line.slice(isGroup ? 1 : 0, colon);
    if (!map.has(name)) map.set(name, line.slice(colon + 1));
  }
  return { users, groups };
}

/**
 * Looks secrets up by rules: the first one that means the user decides. Who is meant through a group may prove the user's
 * own password, or the group's.
 */
export function secretsByRules(
  rules: readonly AuthRule[],
  secrets: Secrets,
  groupsOf: GroupsOfUser = systemGroups,
): SecretLookup {
  return (user) => {
    for (const { pattern, isGroup, effect } of rules) {
      const matches = compileGlob(pattern, { afterEverySlash: false, leadingSlash: false });
      const group = isGroup ? groupsOf(user).find((name) => matches(name, 0, false)) : undefined;
      const isMeant = isGroup ? group !== undefined : matches(user, 0, false);
      if (!isMeant) continue;
      if (effect === "deny") return undefined;
      const own = secrets.users.get(user);
      const shared = group === undefined ? undefined : secrets.groups.get(group);
      return [own, shared].filter((secret) => secret !== undefined);
    }
    return undefined;
  };
}

/** By `/etc/passwd` and `/etc/group`, read anew for each login. */
function systemGroups(user: string): string[] {
  const passwd = lines("/etc/passwd").find(([name]) => name === user);
  if (passwd === undefined) return [];
  return lines("/etc/group")
    .filter(([, , gid, members]) => gid === passwd[3] || members?.split(",").includes(user))
    .map(([name]) => name ?? "");
}

function lines(path: string): string[][] {
  try {
    return readFileSync(path, "utf8")
      .split("\n")
      .map((line) => line.split(":"));
  } catch {
    return [];
  }
}
