import { createHash } from "node:crypto";
import { SshEndpointError } from "./errors.ts";

/** Whoever runs this; what `%d`, `%i`, `%l`, `%u`, `~` and `${…}` stand for. */
export interface LocalAccount {
  readonly user: string;
  readonly uid: number;
  /** Home directory, an absolute path. */
  readonly home: string;
  /** Name of this machine. */
  readonly machine: string;
  /** Environment variables. */
  readonly env: Readonly<Record<string, string | undefined>>;
}

/** What a value may contain besides text. */
export interface Expansion {
  /** What a letter behind `%` stands for; `%%` is always there. */
  readonly tokens: Readonly<Record<string, string>>;
  /** Variables for `${NAME}`; undefined where they are no part of the syntax. */
  readonly env?: LocalAccount["env"];
  /** What a leading `~` stands for; undefined where it is no part of the syntax. */
  readonly home?: string;
}

/** The facts behind the tokens of a connection. */
export interface TokenFacts {
  readonly account: LocalAccount;
  /** As the person wrote it. */
  readonly originalHost: string;
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  readonly hostKeyAlias: string | undefined;
}

/** The tokens that most keywords accept (ssh_config(5), "TOKENS"). */
export function connectionTokens(facts: TokenFacts): Readonly<Record<string, string>> {
  const { account, hostName, originalHost, user } = facts;
  const port = facts.port.toString();
  const hash = createHash("sha1")
    .update(account.machine + hostName + port + user)
    .digest("hex");
  return {
    C: hash,
    d: account.home,
    h: hostName,
    i: account.uid.toString(),
    k: facts.hostKeyAlias ?? originalHost,
    L: account.machine.replace(/\..*$/s, ""),
    l: account.machine,
    n: originalHost,
    p: port,
    r: user,
    u: account.user,
  };
}

/**
 * Puts in what tokens, variables and the tilde stand for; what is put in is not looked at again.
 *
 * @throws SshEndpointError `ERR_SSH_ENDPOINT_CONFIG` for a token or a variable that is not there, and for another user's home
 */
export function expand(value: string, { tokens, env, home }: Expansion, keyword: string): string {
  const fail = (what: string): never => {
    throw new SshEndpointError("ERR_SSH_ENDPOINT_CONFIG", `${keyword} ${value}: ${what}`);
  };
  if (home === undefined || !value.startsWith("~")) return replaceTokens(value, tokens, env, fail);
  if (!/^~(?:\/|$)/.test(value)) fail("the home directory of another user is not known here");
  return home + replaceTokens(value.slice(1), tokens, env, fail);
}

function replaceTokens(
  text: string,
  tokens: Readonly<Record<string, string>>,
  env: LocalAccount["env"] | undefined,
  fail: (what: string) => never,
): string {
  return text.replace(/%(.?)|\$\{([^}]*)\}?/gs, (whole, letter?: string, name?: string) => {
    if (letter !== undefined) {
      if (letter === "%") return "%";
      return Object.hasOwn(tokens, letter)
        ? (tokens[letter] ?? "")
        : fail(`%${letter} is no token here`);
    }
    if (env === undefined) return whole;
    if (!whole.endsWith("}")) fail("${ without }");
    return env[name ?? ""] ?? fail(`the variable ${name} is not set`);
  });
}
