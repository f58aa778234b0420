import { once } from "node:events";
import { connect } from "node:net";
import { readsGreeting } from "../greeting.ts";
import { CLEANUP } from "./constants.ts";
import type { ListeningSocket } from "./listening-sockets.ts";

/** How every server begins that speaks SSH's version 2 (RFC 4253 §4.2). */
const GREETING = "SSH-2.0-";

/**
 * Whether an SSH server answers behind a socket: connects, reads its greeting, and hangs up. A refusal, an end, silence
 * until the time is up, and any other text are all a no.
 */
export async function answersAsSsh(
  socket: ListeningSocket,
  options: { readonly timeoutMs: number; readonly signal: AbortSignal },
): Promise<boolean> {
  const stop = new AbortController();
  const onStop = (): void => stop.abort();
  const timer = setTimeout(onStop, options.timeoutMs);
  if (options.signal.aborted) onStop();
  options.signal.addEventListener("abort", onStop, { once: true });
  const stream =
    "path" in socket
      ? connect({ path: socket.path })
      : connect({ host: reachable(socket.address), port: socket.port });
  stream.on("error", () => {}); // told by the events below; after them nobody listens
  try {
    await once(stream, "connect", { signal: stop.signal });
    return await readsGreeting(stream, GREETING, CLEANUP.greetingBytes, stop.signal);
  } catch {
    return false;
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener("abort", onStop);
    stream.destroy();
  }
}

/** Where to connect to for a socket that listens on every address. */
function reachable(address: string): string {
  if (address === "0.0.0.0") return "127.0.0.1";
  return address === "::" ? "::1" : address;
}
