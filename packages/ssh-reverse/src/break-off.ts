import type { Socket } from "node:net";

/**
 * Closes a socket so that its reader takes what it has for part of the data, not for all: by a reset, where it is a TCP connection
 * (only those can be reset) and something may be missing.
 *
 * Where its end was written and the system has all of the data, nothing is missing, and a plain end is right. It is also the only
 * way while the shutdown is on its way: Node's `resetAndDestroy()` then fails with EINVAL (libuv, `uv_tcp_close_reset`), forgets the
 * descriptor without closing it, and never emits "close".
 */
export function breakOff(socket: Socket): void {
  const isShuttingDown =
    socket.writableEnded && !socket.writableFinished && socket.writableLength === 0;
  if (socket.remoteFamily === undefined || isShuttingDown) socket.destroy();
  else socket.resetAndDestroy();
}
