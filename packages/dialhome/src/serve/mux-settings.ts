import { openLibsqlRegistry, parsePortRange } from "@dialhome/mux-protocol";
import type { TunnelMuxOptions } from "@dialhome/ssh-reverse";
import { usageError } from "../errors.ts";
import { parseListenAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { type RegistryFlags, registryPath } from "../mux/registry-path.ts";
import { readSecrets, type SecretFlags } from "../mux/secrets.ts";
import { parseMuxVersions } from "../mux/versions.ts";
import { count } from "./flag-values.ts";

/** How a server gives ports by identity, as it was written. */
export interface ServeMuxFlags extends SecretFlags, RegistryFlags {
  /** `[ADDRESS:]PORT` */
  readonly mux?: string;
  readonly muxPorts?: string;
  readonly muxSshPort?: string;
  readonly muxVersion?: string;
  readonly muxForwardings?: string;
}

/** As the original's. */
const DEFAULT_RANGE = "22000:22100";

/** Options that say how, and not that ports are given. */
const WITH_MUX: readonly (readonly [keyof ServeMuxFlags, string])[] = [
  ["authSecret", "--auth-secret"],
  ["secretFile", "--secret-file"],
  ["identDb", "--ident-db"],
  ["muxPorts", "--mux-ports"],
  ["muxSshPort", "--mux-ssh-port"],
  ["muxVersion", "--mux-version"],
  ["muxForwardings", "--mux-forwardings"],
];

/** What the options say, but for the registry, which is opened when all the rest is right. */
export type ServeMux = Omit<TunnelMuxOptions, "registry"> & { readonly registryPath: string };

/** Reads them; undefined without `--mux`. @throws DialhomeError, MuxError */
export function readServeMux(flags: ServeMuxFlags, io: CommandIo): ServeMux | undefined {
  if (flags.mux === undefined) {
    const [, alone] = WITH_MUX.find(([name]) => flags[name] !== undefined) ?? [];
    if (alone !== undefined) throw usageError(`${alone} needs --mux PORT`);
    return undefined;
  }
  const { host, port } = parseListenAddress(flags.mux);
  const sshPort = count("--mux-ssh-port", flags.muxSshPort);
  const forwardings = count("--mux-forwardings", flags.muxForwardings);
  return {
    secrets: readSecrets(flags, io),
    portRange: parsePortRange(flags.muxPorts ?? DEFAULT_RANGE),
    versions: parseMuxVersions(flags.muxVersion),
    registryPath: registryPath(flags, io, true),
    port,
    ...(host === undefined ? {} : { host }),
    ...(sshPort === undefined ? {} : { sshPort }),
    ...(forwardings === undefined ? {} : { forwardings }),
  };
}

/** The server's own options, and what is to be closed after it. */
export async function openServeMux({
  registryPath: path,
  ...mux
}: ServeMux): Promise<AsyncDisposable & { readonly options: TunnelMuxOptions }> {
  const registry = await openLibsqlRegistry({ path, create: true });
  return {
    options: { ...mux, registry },
    [Symbol.asyncDispose]: () => registry[Symbol.asyncDispose](),
  };
}
