import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { SshConnectOptions } from "./client.ts";
import { BOUNDS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";
import type { HostKeyPolicy } from "./host-key.ts";
import type { AuthMethod } from "./identities.ts";
import { readKeyFile } from "./key-file.ts";
import { isEncryptedKey, type PassphraseSource, parsePrivateKey } from "./private-key.ts";
import type { ProxyCommand } from "./proxy-command.ts";
import { readSshConfig, type SshConfig, type SshConfigQuery } from "./ssh-config.ts";
import { parseSshDestination, type SshDestination } from "./ssh-destination.ts";

/** Which host is meant, and what goes before the configuration. */
export interface SshHostQuery extends Omit<SshConfigQuery, "destination"> {
  /** `[user@]host[:port]`, or cut apart already. */
  readonly destination: string | SshDestination;
  /** Asked for the passphrase of a key file; without it, and with `BatchMode yes`, encrypted keys are left to the agent. */
  readonly passphrase?: (path: string) => Promise<string | undefined>;
  /** Instead of the configured keys and agent. Not for the hosts on the way. */
  readonly auth?: AuthMethod | readonly AuthMethod[];
  /** Instead of the configured known hosts. Not for the hosts on the way. */
  readonly hostKey?: HostKeyPolicy;
}

/** How a host is reached. */
export interface ResolvedSshHost {
  /** For {@link connectSsh}; a signal and whatever else is the caller's can be added. */
  readonly options: SshConnectOptions;
  /**
   * All that was configured, also what is not about the connection: forwardings, and warnings, which are about the hosts on the way and key files
   * that are not used, too.
   */
  readonly config: SshConfig;
}

/** Keys that are tried when none is named, below `~/.ssh`. */
const USUAL_KEYS = ["id_ed25519", "id_ecdsa", "id_rsa"] as const;

/** The longest time that a timer takes, ms. */
const MOST_MS = 2_147_483_647;

/**
 * Finds out how to reach a host as ssh would: by ssh_config(5), known_hosts, the agent and key files.
 *
 * @throws SshEndpointError `ERR_SSH_ENDPOINT_CONFIG` for a configuration that cannot be read or that asks for what is not done here
 *   (`StrictHostKeyChecking no`, `ProxyUseFdpass`); `…_KEY` where there is no key at all; `…_OPTION` for a bad destination
 */
export async function resolveSshHost(query: SshHostQuery): Promise<ResolvedSshHost> {
  return resolveHop(query, undefined, 0);
}

async function resolveHop(
  query: SshHostQuery,
  via: readonly string[] | undefined,
  depth: number,
): Promise<ResolvedSshHost> {
  const { destination: written, ...rest } = query;
  const destination = typeof written === "string" ? parseSshDestination(written) : written;
  const config = await readSshConfig({ ...rest, destination });
  const hop = await resolveJump(query, config, via ?? config.proxyJump, depth);
  const warnings = new Set([...config.warnings, ...(hop?.config.warnings ?? [])]);
  const proxyCommand = via === undefined ? proxyCommandOf(config, query) : undefined;
  const options: SshConnectOptions = {
    host: config.hostName,
    port: config.port,
    user: config.user,
    auth: query.auth ?? (await authOf(config, query, warnings)),
    hostKey: query.hostKey ?? hostKeyPolicyOf(config),
    ...(config.hostKeyAlias === undefined ? {} : { hostKeyAlias: config.hostKeyAlias }),
    ...(config.addressFamily === "any" ? {} : { family: config.addressFamily === "inet" ? 4 : 6 }),
    ...(config.bindAddress === undefined ? {} : { bindAddress: config.bindAddress }),
    ...(config.connectTimeoutSeconds === undefined || config.connectTimeoutSeconds === 0
      ? {}
      : { connectTimeoutMs: inMs(config.connectTimeoutSeconds) }),
    ...keepaliveOf(config),
    ...rekeyOf(config),
    ...(config.revokedHostKeys === undefined
      ? {}
      : { revokedHostKeys: { path: config.revokedHostKeys } }),
    ...(proxyCommand === undefined ? {} : { proxyCommand }),
    ...(hop === undefined ? {} : { jump: hop.options }),
  };
  return { options, config: { ...config, warnings: [...warnings] } };
}

/** The host that this one is reached through; its own chain is the rest of the list, else its own configuration. */
async function resolveJump(
  query: SshHostQuery,
  config: SshConfig,
  chain: readonly string[],
  depth: number,
): Promise<ResolvedSshHost | undefined> {
  const last = chain.at(-1);
  if (last === undefined) return undefined;
  if (depth >= BOUNDS.jumps) {
    throw refusal(config, `more than ${BOUNDS.jumps} hosts on the way: is ProxyJump a loop?`);
  }
  const { overrides: _, auth: _auth, hostKey: _hostKey, ...shared } = query;
  const before = chain.slice(0, -1);
  return resolveHop(
    { ...shared, destination: last },
    before.length === 0 ? undefined : before,
    depth + 1,
  );
}

/** The program that is the way to the host; run by the user's shell, as ssh does. */
function proxyCommandOf(config: SshConfig, { account }: SshHostQuery): ProxyCommand | undefined {
  const { proxyCommand: command, proxyUseFdpass } = config;
  if (command === undefined) return undefined;
  if (command.trim() === "-") {
    throw refusal(config, "ProxyCommand -: input and output are not this program's to give away");
  }
  if (proxyUseFdpass) {
    throw refusal(config, "ProxyUseFdpass is not done here: a descriptor cannot be taken over");
  }
  // The shell would act on these, and a name may come from somebody else: a submodule's address, a page.
  for (const name of [config.originalHost, config.hostName, config.user]) {
    if (/^-|['"`$\\;&<>|(){}\s\p{Cc}]/u.test(name)) {
      throw refusal(config, `${JSON.stringify(name)} is nothing for the shell of a ProxyCommand`);
    }
  }
  const { SHELL: shell } = account.env;
  return { command, ...(shell === undefined || shell === "" ? {} : { shell }) };
}

function hostKeyPolicyOf(config: SshConfig): HostKeyPolicy {
  const { userKnownHostsFiles, globalKnownHostsFiles, strictHostKeyChecking } = config;
  if (strictHostKeyChecking === "no") {
    throw refusal(
      config,
      "StrictHostKeyChecking no would trust anybody in the middle; accept-new trusts a new host once",
    );
  }
  const [own] = userKnownHostsFiles;
  if (strictHostKeyChecking === "accept-new" && own === undefined) {
    throw refusal(config, "accept-new needs a UserKnownHostsFile to remember the key in");
  }
  return {
    knownHosts: [...userKnownHostsFiles, ...globalKnownHostsFiles].map((path) => ({ path })),
    ...(strictHostKeyChecking === "accept-new" && own !== undefined
      ? { acceptNew: { path: own, isHashed: config.hashKnownHosts } }
      : {}),
  };
}

async function authOf(
  config: SshConfig,
  query: SshHostQuery,
  warnings: Set<string>,
): Promise<readonly AuthMethod[]> {
  const { identityAgent, identityFiles, identitiesOnly } = config;
  if (!config.pubkeyAuthentication) {
    throw refusal(config, "PubkeyAuthentication is off, and there is no other way to log in here");
  }
  const usual = USUAL_KEYS.map((name) => join(query.account.home, ".ssh", name));
  const keyFiles = identityFiles ?? usual;
  const methods: AuthMethod[] = [];
  const tooOpen: string[] = [];
  const hasAgent = identityAgent !== undefined && existsSync(identityAgent);
  if (hasAgent) methods.push({ agent: identityAgent, keyFiles, only: identitiesOnly });
  const ask = config.batchMode ? undefined : query.passphrase;
  for (const path of keyFiles) {
    const { text, exposed } = (await readKeyFile(path).catch(() => undefined)) ?? {};
    // A public key is there to choose one of the agent's.
    if (text === undefined || !text.includes("PRIVATE KEY-----")) continue;
    if (exposed !== undefined) {
      tooOpen.push(exposed);
      warnings.add(exposed);
      continue;
    }
    if (ask !== undefined) {
      methods.push({ privateKeyPath: path, passphrase: rememberedPassphrase(path, ask) });
    } else if (!hasAgent || !isEncryptedKey(text)) {
      methods.push({ privateKeyPath: path });
    }
  }
  if (methods.length > 0) return methods;
  throw new SshEndpointError(
    "ERR_SSH_ENDPOINT_KEY",
    tooOpen.length > 0
      ? tooOpen.join("; ")
      : `there is no key to log in with: no agent, and none of ${keyFiles.join(", ")}`,
  );
}

/** Remembers what opened the key: a connection that comes back must not ask again. */
function rememberedPassphrase(
  path: string,
  ask: (path: string) => Promise<string | undefined>,
): PassphraseSource {
  let answer: string | undefined;
  return async () => {
    const remembered = answer;
    if (remembered !== undefined && (await isOpenedBy(path, remembered))) return remembered;
    answer = await ask(path);
    return answer;
  };
}

async function isOpenedBy(path: string, passphrase: string): Promise<boolean> {
  try {
    await parsePrivateKey(await readFile(path), path, passphrase);
    return true;
  } catch {
    return false;
  }
}

function keepaliveOf(
  config: SshConfig,
): Pick<SshConnectOptions, "keepaliveIntervalMs" | "keepaliveCountMax"> {
  const { serverAliveIntervalSeconds: seconds, serverAliveCountMax: count } = config;
  // In ssh none of the two ends a connection when the count is 0.
  if (count === 0) return { keepaliveIntervalMs: 0 };
  // One interval of silence is the same bound as two of half its length, which ask before they judge.
  const isOne = count === 1;
  return {
    ...(seconds === undefined
      ? {}
      : { keepaliveIntervalMs: isOne ? Math.ceil(inMs(seconds) / 2) : inMs(seconds) }),
    ...(count === undefined ? {} : { keepaliveCountMax: isOne ? 2 : Math.min(count, 1000) }),
  };
}

function rekeyOf({
  rekeyLimit,
}: SshConfig): Pick<SshConnectOptions, "rekeyBytes" | "rekeyIntervalMs"> {
  if (rekeyLimit === undefined) return {};
  const { bytes, seconds } = rekeyLimit;
  return {
    ...(bytes === 0 ? {} : { rekeyBytes: Math.min(Math.max(bytes, 65_536), 2 ** 40) }),
    ...(seconds === 0 ? {} : { rekeyIntervalMs: inMs(seconds) }),
  };
}

function inMs(seconds: number): number {
  return Math.min(seconds * 1000, MOST_MS);
}

function refusal(config: SshConfig, what: string): SshEndpointError {
  const peer = config.originalHost;
  return new SshEndpointError("ERR_SSH_ENDPOINT_CONFIG", `${peer}: ${what}`, { peer });
}
