import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { EXIT, RsyncError } from "@dialhome/rsync-protocol";
import { formatAddress } from "../host-address.ts";
import type { RsyncSettings } from "./settings.ts";
import type { DaemonSource } from "./source.ts";

/**
 * Connects to a daemon.
 *
 * @throws RsyncError with exit code 10, 35 when it took longer than `--contimeout` allows, 20 when it was ended
 */
export async function connectToDaemon(
  { host, port }: DaemonSource,
  { contimeoutSeconds, address, flags }: RsyncSettings,
  signal: AbortSignal,
): Promise<Socket> {
  const family = flags.has("ipv4") ? 4 : flags.has("ipv6") ? 6 : undefined;
  const socket = connect({
    host,
    port,
    noDelay: true,
    allowHalfOpen: true,
    ...(address === undefined ? {} : { localAddress: address }),
    ...(family === undefined ? {} : { family }),
  });
  const limit = new AbortController();
  const timer =
    contimeoutSeconds > 0 ? setTimeout(() => limit.abort(), contimeoutSeconds * 1000) : undefined;
  try {
    await once(socket, "connect", { signal: AbortSignal.any([signal, limit.signal]) });
    return socket;
  } catch (cause) {
    socket.destroy();
    const peer = formatAddress(host, port);
    if (signal.aborted) throw new RsyncError("ERR_RSYNC_ABORTED", "interrupted", { cause });
    if (limit.signal.aborted) {
      const message = `${peer}: no connection within ${contimeoutSeconds} s`;
      throw new RsyncError("ERR_RSYNC_TIMEOUT", message, { exitCode: EXIT.CONNECT_TIMEOUT });
    }
    const details = { exitCode: EXIT.SOCKET_IO, cause };
    throw new RsyncError("ERR_RSYNC_CONNECTION_LOST", `${peer}: ${connectFailure(cause)}`, details);
  } finally {
    clearTimeout(timer);
  }
}

function connectFailure(cause: unknown): string {
  if (cause instanceof AggregateError) return cause.errors.map(connectFailure).join("; ");
  return cause instanceof Error ? cause.message : String(cause);
}
