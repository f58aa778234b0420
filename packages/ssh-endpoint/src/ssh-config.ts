import { isIP } from "node:net";
import { join } from "node:path";
import { SshEndpointError } from "./errors.ts";
import { ConfigReading } from "./ssh-config-reading.ts";
import { connectionTokens, expand, type LocalAccount } from "./ssh-config-tokens.ts";
import { isNone } from "./ssh-config-values.ts";
import type { SshDestination } from "./ssh-destination.ts";

/** Whose configuration is read, and for which host. */
export interface SshConfigQuery {
  /** Where to, as it was written; its user and port go before all that is configured. */
  readonly destination: SshDestination;
  readonly account: LocalAccount;
  /**
   * This file alone, or `none` at all (ssh's `-F`).
   * @defaultValue `.ssh/config` in the home directory, then `/etc/ssh/ssh_config`
   */
  readonly configFile?: string;
  /** Lines that go before every file (ssh's `-o`), such as `Port 2222`. */
  readonly overrides?: readonly string[];
  /** Directory of the system's file. @defaultValue "/etc/ssh" */
  readonly systemDirectory?: string;
}

/** What is configured for a host. Undefined where nothing is said and ssh's default is not ours. */
export interface SshConfig {
  /** The host as it was written. */
  readonly originalHost: string;
  /** Name or address to connect to; lower case. */
  readonly hostName: string;
  readonly port: number;
  readonly user: string;
  /** Paths of keys; undefined when none is named: then the usual ones are tried. */
  readonly identityFiles: readonly string[] | undefined;
  readonly identitiesOnly: boolean;
  /** Path of the agent's socket; undefined when there is none. */
  readonly identityAgent: string | undefined;
  readonly pubkeyAuthentication: boolean;
  /** Hosts to go through as written, the one that is reached first in front. */
  readonly proxyJump: readonly string[];
  /** A command whose input and output are the connection. */
  readonly proxyCommand: string | undefined;
  /** The command hands over a descriptor, and is not the connection itself. */
  readonly proxyUseFdpass: boolean;
  readonly userKnownHostsFiles: readonly string[];
  readonly globalKnownHostsFiles: readonly string[];
  /** File of keys that no host may have. */
  readonly revokedHostKeys: string | undefined;
  readonly hostKeyAlias: string | undefined;
  readonly hashKnownHosts: boolean;
  readonly strictHostKeyChecking: "yes" | "ask" | "accept-new" | "no";
  /** Nobody is there to be asked. */
  readonly batchMode: boolean;
  readonly addressFamily: "any" | "inet" | "inet6";
  readonly bindAddress: string | undefined;
  readonly connectTimeoutSeconds: number | undefined;
  readonly serverAliveIntervalSeconds: number | undefined;
  readonly serverAliveCountMax: number | undefined;
  /** 0 stands for the default. */
  readonly rekeyLimit: { readonly bytes: number; readonly seconds: number } | undefined;
  /** As `-L` takes them: `[bind:]port:host:port`, or paths. */
  readonly localForwards: readonly string[];
  /** As `-R` takes them. */
  readonly remoteForwards: readonly string[];
  readonly exitOnForwardFailure: boolean;
  readonly gatewayPorts: boolean;
  /** What was passed over and may matter, `file:line: …`. */
  readonly warnings: readonly string[];
}

/**
 * Reads what ssh_config(5) files say about a host, as ssh reads them.
 *
 * @throws SshEndpointError `ERR_SSH_ENDPOINT_CONFIG`
 */
export async function readSshConfig(query: SshConfigQuery): Promise<SshConfig> {
  const { account, destination } = query;
  const reading = new ConfigReading({
    account,
    originalHost: destination.host,
    user: destination.user,
  });
  if (destination.port !== undefined) reading.values.set("port", [destination.port.toString()]);
  await readFiles(reading, query);
  const hostName = lowerName(reading.hostName);
  if (reading.wantsFinalPass) {
    reading.values.set("hostname", [hostName.replaceAll("%", "%%")]);
    reading.beginFinalPass(hostName);
    await readFiles(reading, query);
  }
  return settled(reading, hostName, query);
}

async function readFiles(reading: ConfigReading, query: SshConfigQuery): Promise<void> {
  const { account, configFile, overrides = [], systemDirectory = "/etc/ssh" } = query;
  await reading.readLines(overrides, "option");
  if (configFile === undefined) {
    await reading.readFile(join(account.home, ".ssh", "config"), { isGuarded: true });
    await reading.readFile(join(systemDirectory, "ssh_config"), { systemDirectory });
  } else if (!isNone(configFile)) {
    await reading.readFile(configFile, { mustExist: true });
  }
}

function settled(
  { values, warnings }: ConfigReading,
  hostName: string,
  { account, destination }: SshConfigQuery,
): SshConfig {
  const one = (keyword: string): string | undefined => values.get(keyword)?.[0];
  const isOn = (keyword: string): boolean => one(keyword) === "yes";
  const number = (keyword: string): number | undefined => {
    const text = one(keyword);
    return text === undefined || isNone(text) ? undefined : Number(text);
  };
  const port = number("port") ?? 22;
  const user = one("user") ?? account.user;
  const hostKeyAlias = one("hostkeyalias")?.toLowerCase();
  const originalHost = destination.host;
  const facts = { account, originalHost, hostName, port, user, hostKeyAlias };
  const tokens = connectionTokens(facts);
  const path = (keyword: string) => (text: string) =>
    expand(text, { tokens, env: account.env, home: account.home }, keyword);
  const paths = (keyword: string): readonly string[] | undefined =>
    values
      .get(keyword)
      ?.filter((text) => !isNone(text))
      .map(path(keyword));
  const forwards = (keyword: string): readonly string[] =>
    isOn("clearallforwardings")
      ? []
      : (values.get(keyword) ?? []).map((text) =>
          text.includes("/") ? expand(text, { tokens, env: account.env }, keyword) : text,
        );
  const proxyTokens = { tokens: pick(tokens, ["h", "n", "p", "r"]) };
  const [bytes, seconds] = values.get("rekeylimit") ?? [];
  const proxyCommand = one("proxycommand");
  return {
    originalHost,
    hostName,
    port,
    user,
    identityFiles: paths("identityfile"),
    identitiesOnly: isOn("identitiesonly"),
    identityAgent: agentSocket(one("identityagent"), account, path("IdentityAgent")),
    pubkeyAuthentication: one("pubkeyauthentication") !== "no",
    proxyJump: (values.get("proxyjump") ?? [])
      .filter((text) => !isNone(text))
      .map((text) => expand(text, proxyTokens, "ProxyJump")),
    proxyCommand:
      proxyCommand === undefined || isNone(proxyCommand)
        ? undefined
        : expand(proxyCommand, proxyTokens, "ProxyCommand"),
    proxyUseFdpass: isOn("proxyusefdpass"),
    userKnownHostsFiles:
      paths("userknownhostsfile") ??
      ["known_hosts", "known_hosts2"].map((name) => join(account.home, ".ssh", name)),
    // ssh expands nothing in these.
    globalKnownHostsFiles: values.get("globalknownhostsfile")?.filter((text) => !isNone(text)) ?? [
      "/etc/ssh/ssh_known_hosts",
      "/etc/ssh/ssh_known_hosts2",
    ],
    revokedHostKeys: paths("revokedhostkeys")?.[0],
    hostKeyAlias,
    hashKnownHosts: isOn("hashknownhosts"),
    strictHostKeyChecking: wordOf(one("stricthostkeychecking"), ["yes", "accept-new", "no", "ask"]),
    batchMode: isOn("batchmode"),
    addressFamily: wordOf(one("addressfamily"), ["inet", "inet6", "any"]),
    bindAddress: one("bindaddress"),
    connectTimeoutSeconds: number("connecttimeout"),
    serverAliveIntervalSeconds: number("serveraliveinterval"),
    serverAliveCountMax: number("serveralivecountmax"),
    rekeyLimit:
      bytes === undefined ? undefined : { bytes: Number(bytes), seconds: Number(seconds) },
    localForwards: forwards("localforward"),
    remoteForwards: forwards("remoteforward"),
    exitOnForwardFailure: isOn("exitonforwardfailure"),
    gatewayPorts: isOn("gatewayports"),
    warnings: [...warnings],
  };
}

/** The word that was read; the last one when there is none. */
function wordOf<T extends string>(text: string | undefined, words: readonly T[]): T {
  const word = words.find((one) => one === text) ?? words.at(-1);
  if (word === undefined) throw new Error("no words");
  return word;
}

/** `SSH_AUTH_SOCK` and `$NAME` are variables; else it is a path. */
function agentSocket(
  written: string | undefined,
  { env }: LocalAccount,
  path: (text: string) => string,
): string | undefined {
  if (written !== undefined && isNone(written)) return undefined;
  const isPath = written !== undefined && written !== "SSH_AUTH_SOCK" && !/^\$\w/.test(written);
  if (isPath) return path(written);
  const socket = env[written === undefined ? "SSH_AUTH_SOCK" : written.replace(/^\$/, "")];
  return socket === "" ? undefined : socket;
}

function pick(
  tokens: Readonly<Record<string, string>>,
  letters: readonly string[],
): Readonly<Record<string, string>> {
  return Object.fromEntries(letters.map((letter) => [letter, tokens[letter] ?? ""]));
}

function lowerName(host: string): string {
  const name = isIP(host.replace(/%.*$/, "")) === 0 ? host.toLowerCase() : host;
  if (name !== "" && !/\s/.test(name)) return name;
  throw new SshEndpointError("ERR_SSH_ENDPOINT_CONFIG", `${JSON.stringify(host)} is no host name`);
}
