import { resolve } from "node:path";
import {
  type IdentitySource,
  identityForVersion,
  isCredentialText,
  type NegotiateOptions,
  readIdentity,
} from "@dialhome/mux-protocol";
import { usageError } from "../errors.ts";
import { parseHostAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { readSecret, type SecretFlags } from "./secrets.ts";
import { parseMuxVersion } from "./versions.ts";

/** Who a device says it is. */
export interface IdentityFlags {
  readonly identString?: string;
  readonly identFile?: string;
  readonly identRpi?: boolean;
  readonly identCmd?: string;
}

/** How a device asks a mux server for its ports. */
export interface AskFlags extends SecretFlags, IdentityFlags {
  readonly muxVersion?: string;
  readonly muxPort?: number;
  readonly forwardings?: number;
  readonly attempts?: number;
  /** ms */
  readonly timeout?: number;
}

/**
 * Everything that `negotiate()` needs.
 *
 * @param destination - `HOST[:PORT]`
 */
export async function readAskSettings(
  destination: string,
  flags: AskFlags,
  io: CommandIo,
): Promise<NegotiateOptions> {
  const { user, host, port: inHost } = parseHostAddress(destination);
  if (user !== undefined) throw usageError(`no user is needed to ask for ports: "${destination}"`);
  const { muxPort, forwardings, attempts, timeout: timeoutMs } = flags;
  if (inHost !== undefined && muxPort !== undefined && inHost !== muxPort) {
    throw usageError(`port ${inHost} in "${destination}", but ${muxPort} in --mux-port`);
  }
  const port = inHost ?? muxPort;
  const version = parseMuxVersion(flags.muxVersion);
  const secret = readSecret(flags, io);
  const identity = await readIdentityBytes(secret, version, flags, io);
  return {
    host,
    secret,
    version,
    signal: io.signal,
    ...(port === undefined ? {} : { port }),
    ...(identity === undefined ? {} : { identity }),
    ...(forwardings === undefined ? {} : { forwardings }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** Where a device's identity is read: `/etc/machine-id`, unless told otherwise. */
export function identitySourceOf(flags: IdentityFlags, io: CommandIo): IdentitySource {
  const { identString, identFile, identRpi, identCmd } = flags;
  const given = [identString, identFile, identRpi, identCmd].filter((flag) => flag !== undefined);
  if (given.length > 1) {
    throw usageError("only one of --ident-string, --ident-file, --ident-rpi and --ident-cmd");
  }
  if (identString !== undefined) return { is: "string", text: identString };
  if (identFile !== undefined) return { is: "file", path: resolve(io.cwd, identFile) };
  if (identRpi === true) return { is: "rpi" };
  if (identCmd !== undefined) return { is: "command", command: identCmd };
  return { is: "machine-id" };
}

/** Who this device is, as the protocol takes it; undefined for a credential, which has the identity inside. */
export async function readIdentityBytes(
  secret: string,
  version: 1 | 2,
  flags: IdentityFlags,
  io: CommandIo,
): Promise<Uint8Array | undefined> {
  const source = identitySourceOf(flags, io);
  if (version === 2 && isCredentialText(secret)) {
    if (source.is === "machine-id") return undefined;
    throw usageError(`the credential says who this device is: without --ident-${source.is}`);
  }
  const identity = await readIdentity(source, { signal: io.signal });
  return identityForVersion(identity, version, Buffer.from(secret));
}
