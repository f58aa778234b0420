import type { Duplex } from "node:stream";
import { finished } from "node:stream/promises";
import { PROTOCOL, type RsyncError, TAG, traitsOf, type Wire } from "@dialhome/rsync-protocol";
import type { Progress } from "./session.ts";

/** Errors after which nobody hears what is said. */
const DEAF: ReadonlySet<string> = new Set([
  "ERR_RSYNC_CONNECTION_LOST",
  "ERR_RSYNC_TIMEOUT",
  "ERR_RSYNC_ABORTED",
  "ERR_RSYNC_PEER_EXIT",
]);

/** Tells the client why the session ends, in the form that it can read at this point. */
export function sayFarewell(
  wire: Wire,
  error: RsyncError,
  progress: Readonly<Progress>,
  isTextual: boolean,
): void {
  if (DEAF.has(error.code)) return;
  const line = error.message.replace(/[^\x20-\x7e]/g, "?").slice(0, 1000);
  if (progress.isBinary) {
    wire.flush();
    const traits = traitsOf(progress.protocol ?? PROTOCOL.MAX);
    wire.message(traits.textTag(TAG.ERROR), Buffer.from(`rsync: ${line}\n`, "latin1"));
    if (traits.tellsErrorExit) wire.intMessage(TAG.ERROR_EXIT, error.exitCode);
  } else if (isTextual) {
    wire.out.latin1(`@ERROR: ${line}\n`);
    wire.flush();
  }
}

/**
 * Closes our side and reads on until the client closes its own: closing earlier would destroy our last bytes.
 * Both may take no longer than `timeoutMs`.
 */
export async function closeDraining(stream: Duplex, wire: Wire, timeoutMs: number): Promise<void> {
  const late = new AbortController();
  const timer = setTimeout(() => late.abort(), timeoutMs);
  wire.end();
  const aborted = new Promise<void>((resolve) => {
    late.signal.addEventListener("abort", () => resolve(), { once: true });
  });
  const written = finished(stream, { readable: false, signal: late.signal }).catch(() => {});
  await Promise.all([Promise.race([wire.drainInput(), aborted]), written]);
  clearTimeout(timer);
}
