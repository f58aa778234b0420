import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { ForwardedOpen, ForwardOrigin, SshChannel } from "@dialhome/ssh-endpoint";
import { DEFAULTS } from "./constants.ts";
import { SshReverseError } from "./errors.ts";
import { SPLICED_SOCKET, splice } from "./splice.ts";

/** A TCP address or a unix socket. */
export type SocketTarget =
  | { readonly host: string; readonly port: number }
  | { readonly path: string };

/** Where the connections of a remote forwarding go: a TCP address, a unix socket, or code in this process. */
export type ForwardTarget =
  | SocketTarget
  | ((channel: SshChannel, origin: ForwardOrigin) => void | Promise<void>);

/** A connection through a tunnel that failed, for logs; the tunnel goes on. */
export interface TargetFailure {
  readonly target: ForwardTarget;
  readonly origin: ForwardOrigin;
  readonly error: Error;
}

/**
 * Serves one forwarded connection. The target is reached first: where it is not there the other side is told, and
 * nothing was accepted in vain. Resolves when the connection is over; never rejects.
 */
export async function serveTarget(
  target: ForwardTarget,
  open: ForwardedOpen,
  onFailure: (failure: TargetFailure) => void,
): Promise<void> {
  const fail = (error: unknown): void =>
    onFailure({ target, origin: open.origin, error: asError(error) });
  if (typeof target === "function") {
    const channel = open.accept();
    try {
      await target(channel, open.origin);
    } catch (error) {
      channel.destroy();
      fail(error);
    }
    return;
  }
  let socket: Socket;
  try {
    socket = await openTarget(target);
  } catch (error) {
    // The system's word, not the address: that is this side's own business.
    open.refuse(`connect failed: ${reasonOf(error)}`);
    fail(error);
    return;
  }
  try {
    await splice(open.accept(), socket);
  } catch (error) {
    fail(error);
  } finally {
    socket.destroy();
  }
}

async function openTarget(target: SocketTarget): Promise<Socket> {
  const socket =
    "path" in target
      ? connect({ path: target.path, ...SPLICED_SOCKET })
      : connect({ host: target.host, port: target.port, noDelay: true, ...SPLICED_SOCKET });
  const timeout = AbortSignal.timeout(DEFAULTS.targetTimeoutMs);
  try {
    await once(socket, "connect", { signal: timeout });
    return socket;
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    if (!timeout.aborted) throw error;
    const seconds = DEFAULTS.targetTimeoutMs / 1000;
    throw new SshReverseError(
      "ERR_SSH_REVERSE_TARGET",
      `the target did not answer within ${seconds} s`,
    );
  }
}

function reasonOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  if (code === "ERR_SSH_REVERSE_TARGET") return "timed out";
  return typeof code === "string" ? code : "unknown reason";
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
