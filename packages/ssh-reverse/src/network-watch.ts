import { networkInterfaces } from "node:os";
import { DEFAULTS } from "./constants.ts";

/** What may have cut the way to a server without a word: other addresses here, or a machine or process that slept. */
export type NetworkChange = "addresses" | "resumed";

/** Tells of changes until it is disposed of. */
export type NetworkWatch = (onChange: (change: NetworkChange) => void) => Disposable;

/** Clocks and addresses of the machine. */
export interface NetworkSenses {
  /** ms since 1970; goes on while the machine sleeps. */
  readonly wallMs: () => number;
  /** ms since some moment; stands still while the machine sleeps. */
  readonly monotonicMs: () => number;
  /** Addresses by which other machines can be reached, each with its interface. */
  readonly addresses: () => readonly string[];
}

/** Compares what it sees with what it saw, every `DEFAULTS.networkPollMs`: pure but for its senses. */
export class NetworkSentry {
  readonly #senses: NetworkSenses;
  #aheadMs: number;
  #lookedAt: number;
  #addresses: string;

  constructor(senses: NetworkSenses) {
    this.#senses = senses;
    this.#lookedAt = senses.monotonicMs();
    this.#aheadMs = senses.wallMs() - this.#lookedAt;
    this.#addresses = signature(senses);
  }

  /** What has changed since the last look. */
  look(): NetworkChange | undefined {
    const now = this.#senses.monotonicMs();
    const aheadMs = this.#senses.wallMs() - now;
    const addresses = signature(this.#senses);
    // A clock that was set forward looks the same, and does no harm: it is asked once whether the peer lives.
    const hasSlept = aheadMs - this.#aheadMs >= DEFAULTS.clockJumpMs;
    // A process that was frozen (a stopped container or virtual machine), or a machine whose clocks do not stand still in sleep.
    const wasFrozen = now - this.#lookedAt >= DEFAULTS.networkPollMs + DEFAULTS.clockJumpMs;
    const hasMoved = addresses !== this.#addresses;
    this.#lookedAt = now;
    this.#aheadMs = aheadMs;
    this.#addresses = addresses;
    if (hasSlept || wasFrozen) return "resumed";
    return hasMoved ? "addresses" : undefined;
  }
}

function signature(senses: NetworkSenses): string {
  return senses.addresses().toSorted().join(" ");
}

/** Those of the system. Loopback and link-local addresses lead to no server, and come and go with containers. */
export const SYSTEM_SENSES: NetworkSenses = {
  wallMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  addresses: () =>
    Object.entries(networkInterfaces()).flatMap(([name, addresses = []]) =>
      addresses
        .filter(({ internal, address }) => !internal && !/^(fe[89ab]|169\.254\.)/i.test(address))
        .map(({ address }) => `${name}=${address}`),
    ),
};

const listeners = new Set<(change: NetworkChange) => void>();
let timer: NodeJS.Timeout | undefined;

/** Looks every few seconds, once for all tunnels of the process; does not keep the process alive. */
export const watchSystemNetwork: NetworkWatch = (onChange) => {
  // An own function for each, so that the same one may watch twice.
  const listener = (change: NetworkChange): void => onChange(change);
  listeners.add(listener);
  if (timer === undefined) {
    const sentry = new NetworkSentry(SYSTEM_SENSES);
    timer = setInterval(() => {
      const change = sentry.look();
      if (change === undefined) return;
      for (const tell of listeners) tell(change);
    }, DEFAULTS.networkPollMs);
    timer.unref();
  }
  return {
    [Symbol.dispose]: () => {
      listeners.delete(listener);
      if (listeners.size > 0) return;
      clearInterval(timer);
      timer = undefined;
    },
  };
};
