import type { ServerForward, SshChannel } from "@dialhome/ssh-endpoint";
import { readsGreeting } from "../greeting.ts";
import { SERVER } from "./constants.ts";
import type { TunnelConnection } from "./identity.ts";
import type { TunnelRecord } from "./status.ts";

/** Looks whether what is behind the tunnels still answers. */
export interface ProbeOptions {
  /** What the far end says first, at the start of a line: `SSH-2.0-`. */
  readonly greeting: string;
  /** Time between two looks, ms. @defaultValue 60_000 */
  readonly intervalMs?: number;
  /** Time for the greeting to come, ms. @defaultValue 10_000 */
  readonly timeoutMs?: number;
  /** Failed looks in a row after which the tunnel is ended. @defaultValue 2 */
  readonly failures?: number;
}

/** Opens a channel to what a forwarding leads to. */
export async function openForward(
  connection: TunnelConnection,
  forward: ServerForward,
): Promise<SshChannel> {
  return "socketPath" in forward
    ? connection.openForwardedStream(forward.socketPath)
    : connection.openForwarded(forward.bindAddress, forward.port);
}

/** Looks at all tunnels once in a while, and tells of those behind which nothing answers. */
export class GreetingProbe implements AsyncDisposable {
  readonly #options: Required<ProbeOptions>;
  readonly #records: () => Iterable<TunnelRecord>;
  readonly #onDead: (record: TunnelRecord, forward: ServerForward) => void;
  readonly #stop = new AbortController();
  readonly #timer: NodeJS.Timeout;
  #round: Promise<void> | undefined;

  constructor(
    options: ProbeOptions,
    records: () => Iterable<TunnelRecord>,
    onDead: (record: TunnelRecord, forward: ServerForward) => void,
  ) {
    this.#options = {
      intervalMs: SERVER.probeIntervalMs,
      timeoutMs: SERVER.probeTimeoutMs,
      failures: SERVER.probeFailures,
      ...options,
    };
    this.#records = records;
    this.#onDead = onDead;
    this.#timer = setInterval(() => this.#begin(), this.#options.intervalMs);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    clearInterval(this.#timer);
    this.#stop.abort();
    await this.#round;
  }

  /** A round that takes longer than the interval is not begun again meanwhile. */
  #begin(): void {
    this.#round ??= this.#lookAtAll().finally(() => {
      this.#round = undefined;
    });
  }

  async #lookAtAll(): Promise<void> {
    const waiting = [...this.#records()];
    const workers = Array.from({ length: SERVER.probesAtOnce }, async () => {
      for (let record = waiting.pop(); record !== undefined; record = waiting.pop()) {
        if (this.#stop.signal.aborted) return;
        await this.#lookAt(record);
      }
    });
    await Promise.all(workers);
  }

  async #lookAt(record: TunnelRecord): Promise<void> {
    const { forwards } = record.connection;
    if (forwards.length === 0) return;
    for (const forward of forwards) {
      const answers = await this.#answers(record.connection, forward);
      if (this.#stop.signal.aborted || record.connection.isOver) return;
      if (answers) continue;
      record.answers = false;
      record.failures++;
      if (record.failures >= this.#options.failures) this.#onDead(record, forward);
      return;
    }
    record.answers = true;
    record.failures = 0;
  }

  async #answers(connection: TunnelConnection, forward: ServerForward): Promise<boolean> {
    const { greeting, timeoutMs } = this.#options;
    const stop = new AbortController();
    const timer = setTimeout(() => stop.abort(), timeoutMs);
    const onStop = (): void => stop.abort();
    this.#stop.signal.addEventListener("abort", onStop, { once: true });
    const given = new Promise<boolean>((resolve) => {
      stop.signal.addEventListener("abort", () => resolve(false), { once: true });
    });
    const looked = (async (): Promise<boolean> => {
      try {
        const channel = await openForward(connection, forward);
        return await readsGreeting(channel, greeting, SERVER.greetingBytes, stop.signal);
      } catch {
        return false; // refused: nothing listens there
      }
    })();
    try {
      // A peer that never answers an open request must not hold the round up.
      return await Promise.race([looked, given]);
    } finally {
      clearTimeout(timer);
      this.#stop.signal.removeEventListener("abort", onStop);
    }
  }
}
