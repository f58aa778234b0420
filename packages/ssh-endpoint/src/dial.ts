import type { LookupAddress } from "node:dns";
import { lookup as systemLookup } from "node:dns/promises";
import { connect, isIP, type Socket } from "node:net";
import { BOUNDS, DEFAULTS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";

/** Where a TCP connection goes to. */
export interface DialTarget {
  readonly host: string;
  readonly port: number;
  /** How messages call it. */
  readonly peer: string;
  readonly family?: 4 | 6 | undefined;
  /** Own address to connect from. */
  readonly bindAddress?: string | undefined;
}

/** The system beneath, for tests. */
export interface DialSystem {
  /** All addresses of a name, in the order of preference. */
  readonly lookup: (host: string, family: 0 | 4 | 6) => Promise<readonly LookupAddress[]>;
  /** Begins to connect to one address. */
  readonly open: (address: string, target: DialTarget) => Socket;
  /** Time after which the next address is tried beside the last one, ms. */
  readonly attemptDelayMs: number;
}

const SYSTEM: DialSystem = {
  lookup: (host, family) => systemLookup(host, { all: true, family, order: "verbatim" }),
  open: (address, { port, bindAddress }) =>
    connect({
      host: address,
      port,
      ...(bindAddress === undefined ? {} : { localAddress: bindAddress }),
      // Without noDelay the handshake waits for the other side's delayed acknowledgements (49 ms instead of 4).
      noDelay: true,
      keepAlive: true,
    }),
  attemptDelayMs: DEFAULTS.attemptDelayMs,
};

/**
 * Looks a name up and connects to the address that answers first (RFC 8305): one after the other begins, each as soon as the last one failed or
 * 250 ms after it, the families by turns; none is given up while another one is tried. Node's own `autoSelectFamily` gives an address
 * up after 250 ms when another one follows (seen at 20.20): of two that answer after a second the first is never reached.
 *
 * @throws SshEndpointError `ERR_SSH_ENDPOINT_CONNECT` with what happened to each address; the signal's reason
 */
export async function dial(
  target: DialTarget,
  signal: AbortSignal,
  system: DialSystem = SYSTEM,
): Promise<Socket> {
  signal.throwIfAborted();
  // The system's resolver cannot be stopped: what it still finds is left.
  const addresses = await Promise.race([addressesOf(target, system), untilAborted(signal)]);
  signal.throwIfAborted();
  const socket = await race(addresses ?? [], target, signal, system);
  signal.throwIfAborted();
  if (socket === undefined) throw new Error("the race has no winner");
  return socket;
}

async function untilAborted(signal: AbortSignal): Promise<undefined> {
  return new Promise((resolve) => {
    signal.addEventListener("abort", () => resolve(undefined), { once: true });
  });
}

async function addressesOf(target: DialTarget, system: DialSystem): Promise<readonly string[]> {
  const { host, family = 0, peer } = target;
  const given = isIP(host.replace(/%.*$/, ""));
  if (given !== 0) {
    if (family === 0 || family === given) return [host];
    throw failed(target, `this is no IPv${family} address`);
  }
  let found: readonly LookupAddress[];
  try {
    found = await system.lookup(host, family);
  } catch (cause) {
    throw failed(target, describeLookup(host, cause), cause);
  }
  const addresses = inTurns(found);
  if (addresses.length > 0) return addresses;
  throw failed(target, `${peer} has no address`);
}

/** The first of each family, the second of each, and so on; the family that is preferred leads (RFC 8305 §4). */
function inTurns(found: readonly LookupAddress[]): readonly string[] {
  const first = found[0]?.family;
  const ours = found.filter(({ family }) => family === first);
  const others = found.filter(({ family }) => family !== first);
  const turns = ours.length > others.length ? ours : others;
  const mixed = turns.flatMap((_, at) => [ours[at], others[at]]);
  const addresses = mixed.flatMap((one) => (one === undefined ? [] : [one.address]));
  return [...new Set(addresses)].slice(0, BOUNDS.addresses);
}

async function race(
  addresses: readonly string[],
  target: DialTarget,
  signal: AbortSignal,
  system: DialSystem,
): Promise<Socket | undefined> {
  const running = new Set<Socket>();
  const over = new AbortController();
  let timer: NodeJS.Timeout | undefined;
  try {
    return await new Promise((resolve, reject) => {
      const failures: unknown[] = [];
      let next = 0;
      const onAbort = (): void => resolve(undefined);
      signal.addEventListener("abort", onAbort, { once: true, signal: over.signal });
      const tryNext = (): void => {
        clearTimeout(timer);
        const address = addresses[next];
        if (address === undefined) return;
        next++;
        const socket = system.open(address, target);
        running.add(socket);
        socket.once("connect", () => {
          running.delete(socket);
          resolve(socket);
        });
        socket.on("error", (error) => {
          if (!running.delete(socket)) return;
          failures.push(error);
          if (failures.length === addresses.length) {
            reject(failed(target, failures.map(describeFailure).join("; "), failures[0]));
          } else {
            tryNext();
          }
        });
        if (next < addresses.length) timer = setTimeout(tryNext, system.attemptDelayMs);
      };
      tryNext();
    });
  } finally {
    clearTimeout(timer);
    over.abort();
    for (const socket of running) socket.destroy();
  }
}

const WORDS: Readonly<Record<string, string>> = {
  ECONNREFUSED: "nobody listens there",
  ECONNRESET: "it hung up",
  EHOSTUNREACH: "there is no way to it",
  ENETUNREACH: "there is no way to its network",
  ETIMEDOUT: "it does not answer",
  EADDRNOTAVAIL: "the own address is not one of this machine",
  EACCES: "this is not allowed here",
  EPERM: "this is not allowed here",
};

function describeFailure(cause: unknown): string {
  const code = codeOf(cause);
  const address: unknown = cause instanceof Error ? Reflect.get(cause, "address") : undefined;
  const where = typeof address === "string" ? `${code} ${address}` : code;
  if (WORDS[code] !== undefined) return `${WORDS[code]} (${where})`;
  return cause instanceof Error ? cause.message : String(cause);
}

function describeLookup(host: string, cause: unknown): string {
  const code = codeOf(cause);
  if (code === "ENOTFOUND") return `the name ${host} is not known (${code})`;
  return `the name ${host} cannot be looked up${code === "" ? "" : ` (${code})`}`;
}

function codeOf(cause: unknown): string {
  const code: unknown = cause instanceof Error ? Reflect.get(cause, "code") : undefined;
  return typeof code === "string" ? code : "";
}

function failed({ peer }: DialTarget, what: string, cause?: unknown): SshEndpointError {
  return new SshEndpointError("ERR_SSH_ENDPOINT_CONNECT", `${peer}: ${what}`, {
    peer,
    ...(cause === undefined ? {} : { cause }),
  });
}
