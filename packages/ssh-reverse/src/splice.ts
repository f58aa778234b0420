import { Socket } from "node:net";
import type { Duplex } from "node:stream";
import { pipeline } from "node:stream/promises";
import { breakOff } from "./break-off.ts";
import { DEFAULTS } from "./constants.ts";

/** Options of a socket that is joined with a channel. */
export const SPLICED_SOCKET: { readonly allowHalfOpen: true; readonly highWaterMark: number } = {
  allowHalfOpen: true,
  highWaterMark: DEFAULTS.socketBufferBytes,
};

/**
 * Joins two streams until both directions are done. The end of one direction is passed on and the other goes on; an
 * error of either destroys both. Resolves when both are closed, rejects with what broke it.
 *
 * A TCP socket whose other side breaks off in the middle is reset: with a plain end its reader would take half of the data for all.
 *
 * @param through - makes what a direction goes through on its way, such as a limit of its rate
 */
export async function splice(
  a: Duplex,
  b: Duplex,
  through?: { readonly fromA: () => Duplex; readonly fromB: () => Duplex },
): Promise<void> {
  resetWithError(a, b);
  resetWithError(b, a);
  await Promise.all([oneWay(a, b, through?.fromA()), oneWay(b, a, through?.fromB())]);
}

async function oneWay(from: Duplex, to: Duplex, between: Duplex | undefined): Promise<void> {
  try {
    if (to instanceof Socket) writeOnceATurn(between ?? from, to);
    await (between === undefined ? pipeline(from, to) : pipeline(from, between, to));
  } catch (error) {
    const reason = error instanceof Error ? error : new Error(String(error));
    from.destroy(reason);
    to.destroy(reason);
    throw error;
  }
}

/** One read of an SSH connection holds several packets: they go on in one system call. In front of the pipeline's own listener. */
function writeOnceATurn(from: Duplex, to: Socket): void {
  let isCorked = false;
  from.on("data", () => {
    if (isCorked) return;
    isCorked = true;
    to.cork();
    process.nextTick(() => {
      isCorked = false;
      to.uncork();
    });
  });
}

/** In front of the pipeline's own listener, which destroys, and so ends, the socket. */
function resetWithError(from: Duplex, to: Duplex): void {
  if (!(to instanceof Socket)) return;
  from.prependOnceListener("error", () => {
    // What had come completely is left to be delivered; a unix socket is destroyed by the pipeline.
    if (!from.readableEnded && to.remoteFamily !== undefined) breakOff(to);
  });
}
