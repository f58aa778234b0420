import { accessSync, constants } from "node:fs";
import { resolve } from "node:path";
import { localAccount, type ResolvedSshHost, resolveSshHost } from "@dialhome/ssh-endpoint";
import { DialhomeError, reasonOf, usageError } from "../errors.ts";
import { type HostAddress, parseHostAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { askHidden } from "../terminal/ask-hidden.ts";
import type { TunnelFlags } from "./flags.ts";

/** What `-o` takes, in lower case: the keywords of ssh_config(5) that are about the connection and read here. */
const KEYWORDS: ReadonlySet<string> = new Set([
  "addressfamily",
  "batchmode",
  "bindaddress",
  "connecttimeout",
  "exitonforwardfailure",
  "globalknownhostsfile",
  "hashknownhosts",
  "hostkeyalias",
  "hostname",
  "identitiesonly",
  "identityagent",
  "identityfile",
  "port",
  "proxycommand",
  "proxyjump",
  "rekeylimit",
  "revokedhostkeys",
  "serveralivecountmax",
  "serveraliveinterval",
  "stricthostkeychecking",
  "user",
  "userknownhostsfile",
]);

/** The destination with the port of `-p`. */
export function tunnelAddress(text: string, flags: TunnelFlags): HostAddress {
  const address = parseHostAddress(text);
  if (flags.port !== undefined && address.port !== undefined && flags.port !== address.port) {
    throw usageError(`port ${address.port} in "${text}", but ${flags.port} in --port`);
  }
  return { ...address, port: flags.port ?? address.port };
}

/** How the host is reached: what the command line says, then what ssh's configuration says. */
export async function resolveDestination(
  { user, host, port }: HostAddress,
  flags: TunnelFlags,
  io: CommandIo,
): Promise<ResolvedSshHost> {
  const { hostKeyFingerprint, acceptNew, config } = flags;
  if (hostKeyFingerprint !== undefined && acceptNew === true) {
    throw usageError("--accept-new makes no sense with --host-key-fingerprint");
  }
  return resolveSshHost({
    destination: {
      host,
      ...(user === undefined ? {} : { user }),
      ...(port === undefined ? {} : { port }),
    },
    account: localAccount(io.env),
    overrides: configLines(flags, io),
    ...(config === undefined
      ? {}
      : { configFile: config === "none" ? config : resolve(io.cwd, config) }),
    ...(hostKeyFingerprint === undefined ? {} : { hostKey: { fingerprints: hostKeyFingerprint } }),
    ...(io.stdin.isTTY === true
      ? { passphrase: (path) => askHidden(`Passphrase of ${path}: `, io) }
      : {}),
  });
}

/** The options as lines of ssh_config(5); the first of a keyword counts. */
function configLines(flags: TunnelFlags, io: CommandIo): string[] {
  const { acceptNew, aliveCount, aliveInterval, connectTimeout, jump, knownHosts } = flags;
  return [
    ...(flags.identity ?? []).map((path) => `IdentityFile ${quoted(readable(path, io))}`),
    ...(jump === undefined ? [] : [`ProxyJump ${jump}`]),
    ...(knownHosts === undefined
      ? []
      : [
          `UserKnownHostsFile ${knownHosts.map((path) => quoted(resolve(io.cwd, path))).join(" ")}`,
        ]),
    ...(acceptNew === true ? ["StrictHostKeyChecking accept-new"] : []),
    ...(connectTimeout === undefined ? [] : [`ConnectTimeout ${seconds(connectTimeout)}`]),
    ...(aliveInterval === undefined ? [] : [`ServerAliveInterval ${seconds(aliveInterval)}`]),
    ...(aliveCount === undefined ? [] : [`ServerAliveCountMax ${aliveCount}`]),
    ...(flags.o ?? []).map(checkedLine),
  ];
}

/** ssh counts whole ones. */
function seconds(ms: number): string {
  return String(Math.ceil(ms / 1000));
}

function checkedLine(line: string): string {
  const [, keyword = "", value = ""] = /^\s*(\w+)\s*[=\s]\s*(.*?)\s*$/s.exec(line) ?? [];
  if (!KEYWORDS.has(keyword.toLowerCase())) {
    throw usageError(
      `-o ${line}: ${keyword === "" ? "it is not of the form key=value" : `${keyword} is not offered`}`,
    );
  }
  if (/[\r\n]/.test(value)) throw usageError(`-o ${keyword}: it must be one line`);
  if (keyword.toLowerCase() === "exitonforwardfailure" && !/^(yes|true)$/i.test(value)) {
    throw usageError(`-o ${line}: a forwarding that fails always ends the connection`);
  }
  return line;
}

/** A key that is named must be there; one of the configuration need not. */
function readable(written: string, io: CommandIo): string {
  const path = resolve(io.cwd, written);
  try {
    accessSync(path, constants.R_OK);
    return path;
  } catch (cause) {
    const why = `cannot read the private key "${written}": ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_FILE", why, { cause });
  }
}

/** A path as an argument of a line; `%` would begin a token. */
function quoted(path: string): string {
  return `"${path.replaceAll("%", "%%").replace(/["\\]/g, "\\$&")}"`;
}
