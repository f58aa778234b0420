import { once } from "node:events";
import { connect, type Socket } from "node:net";
import type { ForwardedOpen, ForwardOrigin, SshChannel } from "@dialhome/ssh-endpoint";
import { DEFAULTS } from "./constants.ts";
import { splice } from "./splice.ts";

/** Where the connections of a forwarding go: a TCP address, a unix socket, or code in this process. */
export type ForwardTarget =
  | { readonly host: string; readonly port: number }
  | { readonly path: string }
  | ((channel: SshChannel, origin: ForwardOrigin) => void);

/** A connection through a tunnel that failed, for logs. */
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
  if (typeof target === "function") {
    target(open.accept(), open.origin);
    return;
  }
  let socket: Socket;
  try {
    socket = await openTarget(target);
  } catch (error) {
    open.refuse("the target cannot be reached");
    onFailure({ target, origin: open.origin, error: asError(error) });
    return;
  }
  try {
    await splice(open.accept(), socket);
  } catch (error) {
    onFailure({ target, origin: open.origin, error: asError(error) });
  } finally {
    socket.destroy();
  }
}

async function openTarget(
  target: Exclude<ForwardTarget, (...args: never) => void>,
): Promise<Socket> {
  const socket =
    "path" in target
      ? connect({ path: target.path, allowHalfOpen: true })
      : connect({ host: target.host, port: target.port, allowHalfOpen: true, noDelay: true });
  try {
    await once(socket, "connect", { signal: AbortSignal.timeout(DEFAULTS.targetTimeoutMs) });
    return socket;
  } catch (error) {
    socket.on("error", () => {});
    socket.destroy();
    throw error;
  }
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
