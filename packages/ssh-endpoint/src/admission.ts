import { isIP } from "node:net";
import { plainAddress } from "@dialhome/authorized-keys";

/** How many connections a server takes. */
export interface AdmissionLimits {
  /** Connections that are not logged in yet: from `start` on new ones are dropped with probability `rate`, which rises to 1 at `full`. */
  readonly startups: { readonly start: number; readonly rate: number; readonly full: number };
  /** Of these, from one source: an IPv4 address or an IPv6 /64. */
  readonly startupsPerSource: number;
  /** Connections from one source, logged in or not. */
  readonly connectionsPerSource: number;
  /** Connections in all. */
  readonly connections: number;
}

/** Why a connection is not taken. */
export type AdmissionRefusal =
  | "connections"
  | "startups"
  | "connections-per-source"
  | "startups-per-source"
  | "penalty";

/** One connection's place; both methods may be called more than once. */
export interface Admitted {
  /** The login is through: the connection no longer counts as starting. */
  loggedIn(): void;
  /** The connection is over. */
  leave(): void;
}

/** Counts connections and says which may come in (sshd's MaxStartups and PerSourceMaxStartups). Knows no socket. */
export class Admission {
  readonly #limits: AdmissionLimits;
  readonly #random: () => number;
  readonly #bySource = new Map<string, { all: number; starting: number }>();
  #all = 0;
  #starting = 0;

  constructor(limits: AdmissionLimits, random: () => number = Math.random) {
    this.#limits = limits;
    this.#random = random;
  }

  /** Connections that are not logged in yet. */
  get starting(): number {
    return this.#starting;
  }

  /** Takes a connection from an address, or says why not. */
  enter(address: string): Admitted | AdmissionRefusal {
    const source = sourceOf(address);
    const counts = this.#bySource.get(source) ?? { all: 0, starting: 0 };
    if (this.#all >= this.#limits.connections) return "connections";
    if (counts.all >= this.#limits.connectionsPerSource) return "connections-per-source";
    if (counts.starting >= this.#limits.startupsPerSource) return "startups-per-source";
    if (this.#dropsEarly()) return "startups";
    this.#bySource.set(source, counts);
    counts.all++;
    counts.starting++;
    this.#all++;
    this.#starting++;
    let isStarting = true;
    let isHere = true;
    const loggedIn = (): void => {
      if (!isStarting) return;
      isStarting = false;
      counts.starting--;
      this.#starting--;
    };
    return {
      loggedIn,
      leave: () => {
        if (!isHere) return;
        isHere = false;
        loggedIn();
        counts.all--;
        this.#all--;
        if (counts.all === 0) this.#bySource.delete(source);
      },
    };
  }

  #dropsEarly(): boolean {
    const { start, rate, full } = this.#limits.startups;
    if (this.#starting < start) return false;
    if (this.#starting >= full) return true;
    const share = full === start ? 1 : (this.#starting - start) / (full - start);
    return this.#random() < rate + (1 - rate) * share;
  }
}

/** What counts as one source: an IPv4 address, or the first 64 bits of an IPv6 address. */
export function sourceOf(address: string): string {
  const plain = plainAddress(address);
  if (isIP(plain) !== 6) return plain;
  const [head = "", tail] = plain.split("::");
  const left = head.split(":").filter((group) => group !== "");
  const right = (tail ?? "").split(":").filter((group) => group !== "");
  const zeros = tail === undefined ? 0 : 8 - left.length - right.length;
  const gap = Array.from({ length: Math.max(0, zeros) }, () => "0");
  const groups = [...left, ...gap, ...right];
  return `${groups.slice(0, 4).join(":")}::/64`;
}
