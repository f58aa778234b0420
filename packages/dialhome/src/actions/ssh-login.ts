import { existsSync } from "node:fs";
import { homedir, userInfo } from "node:os";
import { join, resolve } from "node:path";
import {
  type AuthMethod,
  type HostKeyPolicy,
  localAccount,
  parsePrivateKey,
  type ResolvedSshHost,
  readKeyFile,
  resolveSshHost,
  type SshDestination,
} from "@dialhome/ssh-endpoint";
import { DialhomeError, usageError } from "../errors.ts";
import { codeOf } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { askHidden } from "../terminal/ask-hidden.ts";
import { printable } from "../terminal/printable.ts";

/** Options about the host's key. */
export interface HostKeyFlags {
  readonly knownHosts?: readonly string[];
  readonly hostKeyFingerprint?: readonly string[];
  readonly acceptNew?: boolean;
}

/** Options about the own key. */
export interface LoginFlags {
  readonly sshKey?: readonly string[];
  readonly agent?: boolean;
}

/** All options about how a host is reached. */
export interface SshHostFlags extends HostKeyFlags, LoginFlags {
  /** `--ssh-config`: a file, or `none`. */
  readonly sshConfig?: string;
  /** Lines of ssh_config that go before the files, as `ssh -o` has them. */
  readonly overrides?: readonly string[];
  /** Says nothing of lines of the configuration that were passed over. */
  readonly quiet?: boolean;
}

/** Keys that are tried when none is named, in this order; below the home directory. */
const DEFAULT_KEYS = [".ssh/id_ed25519", ".ssh/id_ecdsa", ".ssh/id_rsa"] as const;
const KNOWN_HOSTS = ".ssh/known_hosts";
const SYSTEM_KNOWN_HOSTS = "/etc/ssh/ssh_known_hosts";

/** The user's home; HOME goes before the account's entry, as everywhere. */
export function homeOf(io: Pick<CommandIo, "env">): string {
  const { HOME } = io.env;
  return HOME === undefined || HOME === "" ? homedir() : HOME;
}

/** Who logs in: who is named, else who runs this. */
export function loginUser(named: string | undefined): string {
  return named ?? userInfo().username;
}

/**
 * How a host is reached: by the options, and where they are silent by ssh's configuration, known hosts, agent and keys. A
 * passphrase is asked for where somebody sits at a terminal. What of the configuration was passed over, and may matter, is told.
 *
 * @param keyOption - how the command line calls the option that names a key
 */
export async function sshHost(
  destination: SshDestination,
  flags: SshHostFlags,
  io: CommandIo,
  keyOption = "-k",
): Promise<ResolvedSshHost> {
  const { acceptNew, agent, hostKeyFingerprint, knownHosts, overrides = [], sshConfig } = flags;
  const isPinned = hostKeyFingerprint !== undefined || knownHosts !== undefined;
  const isOwnKey = flags.sshKey !== undefined || agent === true;
  const hasTerminal = io.stdin.isTTY === true;
  try {
    const host = await resolveSshHost({
      destination,
      account: localAccount(io.env),
      overrides: acceptNew ? ["StrictHostKeyChecking accept-new", ...overrides] : overrides,
      ...(sshConfig === undefined
        ? {}
        : { configFile: sshConfig === "none" ? sshConfig : resolve(io.cwd, sshConfig) }),
      ...(isOwnKey ? { auth: await loginMethods(flags, io, keyOption) } : {}),
      ...(isPinned ? { hostKey: hostKeyPolicy(flags, io) } : {}),
      ...(hasTerminal ? { passphrase: (path) => askHidden(`Passphrase of ${path}: `, io) } : {}),
    });
    tellConfigWarnings(host, flags, io);
    return host;
  } catch (cause) {
    // Of all that is looked at here only a missing key has this code.
    if (codeOf(cause) !== "ERR_SSH_ENDPOINT_KEY" || !(cause instanceof Error)) throw cause;
    throw new DialhomeError(
      "ERR_DIALHOME_FILE",
      `${cause.message}; name one with ${keyOption}, or make one: dialhome keygen ~/.ssh/id_ed25519`,
      { cause },
    );
  }
}

/** A line for each line of the configuration that was passed over, and may matter. */
export function tellConfigWarnings(
  { config }: Pick<ResolvedSshHost, "config">,
  { quiet }: { readonly quiet?: boolean },
  io: Pick<CommandIo, "stderr">,
): void {
  if (quiet === true) return;
  for (const warning of config.warnings) io.stderr.write(`dialhome: ${printable(warning)}\n`);
}

/** How the host is known: by fingerprints, else by known_hosts files. */
function hostKeyPolicy(flags: HostKeyFlags, io: CommandIo): HostKeyPolicy {
  const { hostKeyFingerprint, knownHosts, acceptNew } = flags;
  if (hostKeyFingerprint !== undefined) {
    if (acceptNew) throw usageError("--accept-new makes no sense with --host-key-fingerprint");
    return { fingerprints: hostKeyFingerprint };
  }
  const own = join(homeOf(io), KNOWN_HOSTS);
  const paths = knownHosts?.map((path) => resolve(io.cwd, path)) ?? [own, SYSTEM_KNOWN_HOSTS];
  return {
    knownHosts: paths.map((path) => ({ path })),
    ...(acceptNew ? { acceptNew: { path: paths[0] ?? own } } : {}),
  };
}

/**
 * How the user proves who they are: with the keys that are named; if none is, with the agent and the usual files, of which
 * those that are encrypted are left to the agent.
 *
 * @param keyOption - how the command line calls the option that names a key
 */
async function loginMethods(
  flags: LoginFlags & Pick<SshHostFlags, "quiet">,
  io: CommandIo,
  keyOption = "-k",
): Promise<AuthMethod[]> {
  const socket = io.env["SSH_AUTH_SOCK"];
  const methods: AuthMethod[] = [];
  if (flags.agent && (socket === undefined || socket === "")) {
    throw usageError("--agent needs a running agent, and SSH_AUTH_SOCK names none");
  }
  const wantsAgent = flags.agent ?? flags.sshKey === undefined;
  if (wantsAgent && socket !== undefined && existsSync(socket)) methods.push({ agent: socket });
  const named = flags.sshKey?.map((path) => resolve(io.cwd, path));
  const usual = DEFAULT_KEYS.map((name) => join(homeOf(io), name)).filter(existsSync);
  const exposed: string[] = [];
  for (const path of named ?? usual) {
    const problem = await exposureOf(path);
    if (problem !== undefined) exposed.push(problem);
    else if (named !== undefined || (await isUsable(path, methods.length > 0))) {
      methods.push({ privateKeyPath: path });
    }
  }
  if (methods.length > 0) {
    if (flags.quiet !== true) {
      for (const problem of exposed) io.stderr.write(`dialhome: ${printable(problem)}\n`);
    }
    return methods;
  }
  if (exposed.length > 0) throw new DialhomeError("ERR_DIALHOME_FILE", exposed.join("; "));
  throw new DialhomeError(
    "ERR_DIALHOME_FILE",
    `there is no key to log in with: no agent, and none of ${DEFAULT_KEYS.map((key) => `~/${key}`).join(", ")}; ` +
      `name one with ${keyOption}, or make one: dialhome keygen ~/.ssh/id_ed25519`,
  );
}

/** Why a private key is not used, as in ssh: others can get at it. A file that cannot be read is told when it is needed. */
async function exposureOf(path: string): Promise<string | undefined> {
  try {
    return (await readKeyFile(path)).exposed;
  } catch {
    return undefined;
  }
}

/** An encrypted key is of no use here; with an agent that is no reason to stop, since it probably holds it. */
async function isUsable(path: string, hasAgent: boolean): Promise<boolean> {
  try {
    await parsePrivateKey((await readKeyFile(path)).text, path);
    return true;
  } catch (error) {
    if (hasAgent && codeOf(error) === "ERR_SSH_ENDPOINT_PASSPHRASE") return false;
    throw error;
  }
}
