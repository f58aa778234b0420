import {
  connectSsh,
  type SshConnection,
  type SshConnectOptions,
  SshEndpointError,
} from "@dialhome/ssh-endpoint";
import type { ReconnectOptions } from "./backoff.ts";
import { DEFAULTS } from "./constants.ts";
import { SshReverseError } from "./errors.ts";
import { isMuxForward, type LocalForward, placeForwards, type TunnelForward } from "./forward.ts";
import { type Link, type LinkEvent, nextLink, START, type TunnelState } from "./link.ts";
import { type MuxPlan, MuxPorts, type TunnelMux } from "./mux-ports.ts";
import { type NetworkWatch, watchSystemNetwork } from "./network-watch.ts";
import { openForwards } from "./open-forwards.ts";
import { StateStream } from "./state-stream.ts";
import type { TargetFailure } from "./target.ts";

/** A tunnel that stays: at least one forwarding, of either kind. */
export interface TunnelOptions extends Omit<SshConnectOptions, "stream"> {
  /** Remote forwardings (`ssh -R`). */
  readonly forwards?: readonly TunnelForward[];
  /** Local forwardings (`ssh -L`). */
  readonly localForwards?: readonly LocalForward[];
  /**
   * Asks a mux server for the ports of the forwardings with `bindPort: "mux"`: before the first try, and before each that follows one that came
   * to nothing. A link that was up is first tried again as it was. Without an answer the last one counts; there is no trying without any.
   *
   * The answer also tells where the SSH server is (its port where `port` is not given; all of it when another mux server was asked in the end), and keys of it: a host
   * that `knownHosts` does not know is taken when it has one of them.
   */
  readonly mux?: TunnelMux;
  /** When to try again; false never: the end of the first connection is the end of the tunnel. */
  readonly reconnect?: ReconnectOptions | false;
  /** After a change of the network or a sleep of the machine the server must give a sign of life within this time, ms. @defaultValue 10_000 */
  readonly probeTimeoutMs?: number;
  /** Tells of such changes; false looks for none. @defaultValue the system's addresses and clocks, each 5 s */
  readonly watchNetwork?: NetworkWatch | false;
  /** A connection through the tunnel failed; the tunnel goes on. Must not throw. */
  readonly onTargetFailure?: (failure: TargetFailure) => void;
  /** Time and chance, for tests. @defaultValue the system's */
  readonly clock?: TunnelClock;
}

/** Time and chance. */
export interface TunnelClock {
  /** Now, ms since 1970. */
  now(): number;
  /** A number in [0, 1). */
  random(): number;
  /** Resolves after a time, or at once when the signal is aborted; never rejects. */
  pause(delayMs: number, signal: AbortSignal): Promise<void>;
}

/** A tunnel. Disposal ends it; when that resolves no timer, socket or channel is left. */
export interface Tunnel extends AsyncDisposable {
  /** Where it stands now. */
  readonly state: TunnelState;
  /** Each change of state from now on, the present one first; ends with `failed` or `closed`. A slow reader misses states, never the latest. */
  states(): AsyncIterableIterator<TunnelState>;
  /** Resolves when the tunnel is up for the first time. @throws what made it fail for good, or that it was closed */
  readonly up: Promise<void>;
  /** Resolves with the last state when it is over for good. Never rejects. */
  readonly over: Promise<TunnelState>;
  /** The connection, while the tunnel is up. */
  readonly connection: SshConnection | undefined;
  /** Tries again now, where it waits: call it when the network came back. */
  retryNow(): void;
}

/** Errors after which no other try can help: the next one would meet the same answer. */
const FINAL: ReadonlySet<string> = new Set([
  "ERR_SSH_ENDPOINT_OPTION",
  "ERR_SSH_ENDPOINT_HOST_KEY_UNKNOWN",
  "ERR_SSH_ENDPOINT_HOST_KEY_CHANGED",
  "ERR_SSH_ENDPOINT_HOST_KEY_REVOKED",
  "ERR_SSH_ENDPOINT_HOST_KEY_REFUSED",
  "ERR_SSH_ENDPOINT_KNOWN_HOSTS",
  "ERR_SSH_ENDPOINT_KEY",
  "ERR_SSH_ENDPOINT_PASSPHRASE",
  "ERR_SSH_ENDPOINT_AUTHENTICATION",
  "ERR_MUX_OPTION",
]);

/**
 * Opens a tunnel and keeps it: connects, asks for all forwardings (one refused means that this connection is over),
 * and after each loss tries again with growing random pauses. Refused keys and host keys end it for good.
 *
 * @throws SshReverseError `ERR_SSH_REVERSE_OPTION`
 */
export function openTunnel(options: TunnelOptions): Tunnel {
  if ((options.forwards ?? []).length + (options.localForwards ?? []).length === 0) {
    throw new SshReverseError("ERR_SSH_REVERSE_OPTION", "a tunnel needs a forwarding");
  }
  if ((options.forwards ?? []).some(isMuxForward) !== (options.mux !== undefined)) {
    const message = "the mux server is asked for the ports of forwardings that have none";
    throw new SshReverseError("ERR_SSH_REVERSE_OPTION", message);
  }
  return new KeptTunnel(options);
}

class KeptTunnel implements Tunnel {
  readonly up: Promise<void>;
  readonly over: Promise<TunnelState>;
  readonly #options: TunnelOptions;
  readonly #reconnect: Required<ReconnectOptions>;
  readonly #clock: TunnelClock;
  readonly #stop = new AbortController();
  readonly #mux: MuxPorts | undefined;
  readonly #states = new StateStream<TunnelState>(START.state);
  /** Where each local forwarding listened last. */
  #localPorts: readonly number[] = [];
  #link: Link = START;
  #connection: SshConnection | undefined;
  #plan: MuxPlan | undefined;
  #wake = new AbortController();

  constructor(options: TunnelOptions) {
    this.#options = options;
    this.#clock = options.clock ?? SYSTEM_CLOCK;
    const reconnect = options.reconnect === false ? {} : options.reconnect;
    this.#reconnect = {
      minDelayMs: reconnect?.minDelayMs ?? DEFAULTS.minDelayMs,
      maxDelayMs: reconnect?.maxDelayMs ?? DEFAULTS.maxDelayMs,
      steadyAfterMs: reconnect?.steadyAfterMs ?? DEFAULTS.steadyAfterMs,
    };
    const { mux, host, forwards = [], signal } = options;
    if (mux !== undefined) {
      this.#mux = new MuxPorts({ host, ...mux }, forwards.filter(isMuxForward).length);
    }
    const onAbort = (): void => this.#end();
    if (signal?.aborted === true) onAbort();
    else signal?.addEventListener("abort", onAbort, { once: true });
    this.over = (async () => {
      await this.#stayConnected();
      signal?.removeEventListener("abort", onAbort);
      return this.#link.state;
    })();
    this.up = this.#firstUp();
    this.up.catch(() => {}); // told to whoever waits for it; `over` tells it too
  }

  get state(): TunnelState {
    return this.#link.state;
  }

  get connection(): SshConnection | undefined {
    return this.#connection;
  }

  states(): AsyncIterableIterator<TunnelState> {
    return this.#states.read();
  }

  retryNow(): void {
    this.#wake.abort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#end();
    await this.over;
  }

  /** Also the pause, which has a signal of its own: in Node 20 each `AbortSignal.any` would leave something at a signal that lives as long as the tunnel. */
  #end(): void {
    this.#stop.abort();
    this.#wake.abort();
  }

  async #firstUp(): Promise<void> {
    for await (const state of this.#states.read()) {
      if (state.is === "up") return;
      if (state.is === "failed") throw state.error;
    }
    throw new SshReverseError("ERR_SSH_REVERSE_CLOSED", "the tunnel was closed before it was up");
  }

  /** When to try. What one try does is {@link KeptTunnel.#connectOnce}. */
  async #stayConnected(): Promise<void> {
    const stop = this.#stop.signal;
    using _watch = this.#watchNetwork();
    while (!stop.aborted) {
      const error = await this.#connectOnce(stop);
      if (stop.aborted) break;
      const isOver = this.#options.reconnect === false || this.#isFinal(error);
      this.#apply({ is: "lost", error, isFinal: isOver });
      const { state } = this.#link;
      if (state.is !== "waiting") break;
      this.#wake = new AbortController();
      await this.#clock.pause(state.delayMs, this.#wake.signal);
      this.#apply({ is: "woken" });
    }
    if (stop.aborted) this.#apply({ is: "stopped" });
    this.#states.end();
  }

  /** Another answer of the mux server may name another host key. */
  #isFinal(error: Error): boolean {
    const code: unknown = Reflect.get(error, "code");
    if (typeof code !== "string" || !FINAL.has(code)) return false;
    return this.#plan?.isFresh !== false || !code.startsWith("ERR_SSH_ENDPOINT_HOST_KEY_");
  }

  /** One try, from the first packet to the end of the connection; gives what ended it and never throws. */
  async #connectOnce(signal: AbortSignal): Promise<Error> {
    try {
      this.#plan = await this.#mux?.next(signal);
      // Unless it comes to something, the ports are asked for anew.
      this.#mux?.doubt();
      await using connection = await connectSsh({ ...this.#whereTo(), signal });
      await using forwards = await openForwards(connection, {
        remote: placeForwards(this.#options.forwards ?? [], this.#plan?.answer.ports ?? []),
        local: this.#options.localForwards ?? [],
        lastLocalPorts: this.#localPorts,
        onFailure: (failure) => this.#options.onTargetFailure?.(failure),
      });
      const { ports, localPorts } = forwards;
      this.#localPorts = localPorts;
      this.#mux?.proven();
      this.#connection = connection;
      this.#apply({ is: "connected", ports, localPorts });
      const { error, farewell } = await connection.closed;
      return (
        error ??
        new SshEndpointError(
          "ERR_SSH_ENDPOINT_CONNECTION_LOST",
          `the server ended the connection${farewell === undefined ? "" : `: ${farewell}`}`,
        )
      );
    } catch (error) {
      return error instanceof Error ? error : new Error(String(error));
    } finally {
      this.#connection = undefined;
    }
  }

  /** The host as it was given, or as the mux server says. */
  #whereTo(): SshConnectOptions {
    const { mux, ...options } = this.#options;
    const answer = this.#plan?.answer;
    if (answer === undefined) return options;
    const isSentOn = answer.host !== (mux?.host ?? options.host);
    const port = isSentOn ? answer.sshPort : (options.port ?? answer.sshPort);
    const { hostKey } = options;
    const { fingerprints } = answer;
    const isVouchedFor = fingerprints.length > 0 && "knownHosts" in hostKey;
    return {
      ...options,
      port,
      ...(isSentOn ? { host: answer.host } : {}),
      ...(isVouchedFor ? { hostKey: { ...hostKey, orFingerprints: fingerprints } } : {}),
    };
  }

  /** A connection that may have been cut is asked whether it lives; one that is waited for may come now. */
  #watchNetwork(): Disposable | undefined {
    const { watchNetwork = watchSystemNetwork, probeTimeoutMs = DEFAULTS.probeTimeoutMs } =
      this.#options;
    if (watchNetwork === false) return undefined;
    return watchNetwork(() => {
      this.#connection?.probe(probeTimeoutMs);
      this.retryNow();
    });
  }

  #apply(event: LinkEvent): void {
    const before = this.#link;
    this.#link = nextLink(before, event, {
      options: this.#reconnect,
      now: this.#clock.now(),
      random: () => this.#clock.random(),
    });
    if (this.#link.state !== before.state) this.#states.set(this.#link.state);
  }
}

const SYSTEM_CLOCK: TunnelClock = {
  now: () => Date.now(),
  random: () => Math.random(),
  pause: (delayMs, signal) =>
    new Promise((resolve) => {
      if (signal.aborted) {
        resolve();
        return;
      }
      const done = (): void => {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      };
      const timer = setTimeout(done, delayMs);
      signal.addEventListener("abort", done, { once: true });
    }),
};
