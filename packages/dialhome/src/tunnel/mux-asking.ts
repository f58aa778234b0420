import { splitHookCommand } from "@dialhome/mux-protocol";
import type { TunnelMux } from "@dialhome/ssh-reverse";
import { usageError } from "../errors.ts";
import { parseListenAddress } from "../host-address.ts";
import type { CommandIo } from "../io.ts";
import { type IdentityFlags, readIdentityBytes } from "../mux/ask-settings.ts";
import { readSecret, type SecretFlags } from "../mux/secrets.ts";
import { parseMuxVersion } from "../mux/versions.ts";

/** How a tunnel asks a mux server for its port. */
export interface TunnelMuxFlags extends SecretFlags, IdentityFlags {
  /** `[HOST:]PORT` */
  readonly mux?: string;
  readonly muxVersion?: string;
  readonly muxAttempts?: number;
  /** ms */
  readonly muxTimeout?: number;
  readonly muxHook?: readonly string[];
}

/** Options that say how, and not that a mux server is asked. */
const WITH_MUX: readonly (readonly [keyof TunnelMuxFlags, string])[] = [
  ["authSecret", "--auth-secret"],
  ["secretFile", "--secret-file"],
  ["identString", "--ident-string"],
  ["identRpi", "--ident-rpi"],
  ["identFile", "--ident-file"],
  ["identCmd", "--ident-cmd"],
  ["muxVersion", "--mux-version"],
  ["muxAttempts", "--mux-attempts"],
  ["muxTimeout", "--mux-timeout"],
  ["muxHook", "--mux-hook"],
];

/** Reads them, and who this device is; undefined without `--mux`. @throws DialhomeError, MuxError */
export async function readTunnelMux(
  flags: TunnelMuxFlags,
  io: CommandIo,
): Promise<TunnelMux | undefined> {
  if (flags.mux === undefined) return undefined;
  const { host, port } = parseListenAddress(flags.mux);
  if (port === 0) throw usageError("--mux takes the server's UDP port, such as 8739");
  const version = parseMuxVersion(flags.muxVersion);
  const secret = readSecret(flags, io);
  const identity = await readIdentityBytes(secret, version, flags, io);
  const { muxAttempts: attempts, muxTimeout: timeoutMs } = flags;
  return {
    port,
    secret,
    version,
    ...(host === undefined ? {} : { host }),
    ...(identity === undefined ? {} : { identity }),
    ...(attempts === undefined ? {} : { attempts }),
    ...(timeoutMs === undefined ? {} : { timeoutMs }),
  };
}

/** Refuses what makes no sense without `--mux`. @throws DialhomeError */
export function assertTunnelMux(flags: TunnelMuxFlags): void {
  if (flags.muxHook !== undefined) splitHookCommand(flags.muxHook);
  if (flags.mux !== undefined) return;
  const [, alone] = WITH_MUX.find(([name]) => flags[name] !== undefined) ?? [];
  if (alone !== undefined) throw usageError(`${alone} needs --mux PORT`);
}
