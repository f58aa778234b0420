import { SshReverseError } from "../errors.ts";
import { isSameIdentity, type TunnelConnection } from "./identity.ts";
import {
  type LeaseHolder,
  ListenerLease,
  type ListenerShare,
  type ListenPlace,
} from "./listener-lease.ts";
import { freeSocketPath } from "./socket-folder.ts";

/** What a connection says to its predecessor's end. */
const REPLACED = "replaced by a newer connection of the same device";

/** Who holds which listener. */
export class LeaseBook {
  readonly #leases = new Map<string, ListenerLease>();
  readonly #share: ListenerShare;
  readonly #onEvicted: (old: TunnelConnection, by: TunnelConnection, place: ListenPlace) => void;
  /** Wishes are granted one by one: two for the same place must see each other. */
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    share: ListenerShare,
    onEvicted: (old: TunnelConnection, by: TunnelConnection, place: ListenPlace) => void,
  ) {
    this.#share = share;
    this.#onEvicted = onEvicted;
  }

  /** Listeners that there are. */
  get leases(): readonly ListenerLease[] {
    return [...this.#leases.values()];
  }

  /**
   * Binds a listener for a connection. What an older connection of the same device holds is handed over, and that one
   * ends; what another device holds is refused.
   *
   * @param places - the first that can be had is taken
   */
  async acquire(
    places: readonly ListenPlace[],
    holder: LeaseHolder,
  ): Promise<ListenerLease | { readonly refused: string }> {
    const before = this.#last;
    const acquired = (async () => {
      await before;
      return this.#acquire(places, holder);
    })();
    this.#last = acquired.catch(() => {}); // told to whoever asked
    return acquired;
  }

  /** A forwarding is over: its listener is closed, unless it serves a newer connection already. */
  async release(
    lease: ListenerLease,
    holder: LeaseHolder,
    why: "cancelled" | "ended",
  ): Promise<void> {
    if (lease.holder !== holder) return;
    this.#leases.delete(keyOf(lease.place));
    if (why === "cancelled") lease.stop();
    else await lease.end();
  }

  async #acquire(
    places: readonly ListenPlace[],
    holder: LeaseHolder,
  ): Promise<ListenerLease | { readonly refused: string }> {
    let refused = "no port is free";
    for (const place of places) {
      const held = this.#leases.get(keyOf(place));
      if (held !== undefined) {
        if (this.#isPredecessor(held, holder)) return this.#takeOver(held, holder);
        refused = `${describePlace(place)} is held by another device`;
        continue;
      }
      const result = await this.#bind(place, holder);
      if (result instanceof ListenerLease) {
        this.#leases.set(keyOf(result.place), result);
        return result;
      }
      refused = result;
    }
    return { refused };
  }

  #isPredecessor(held: ListenerLease, { connection, isOwner = false }: LeaseHolder): boolean {
    const before = held.holder.connection;
    if (before === connection) return false;
    return isOwner || isSameIdentity(before.identity, connection.identity);
  }

  #takeOver(held: ListenerLease, holder: LeaseHolder): ListenerLease {
    const before = held.holder.connection;
    held.handOver(holder);
    this.#onEvicted(before, holder.connection, held.place);
    // Not before the new forwarding is granted, in this turn: who waits for the old device is then served by the new one.
    setImmediate(() => {
      void before.end(REPLACED); // never rejects; a peer that hangs is cut off after a grace time
    });
    return held;
  }

  /** @returns the lease, or why there is none */
  async #bind(place: ListenPlace, holder: LeaseHolder): Promise<ListenerLease | string> {
    if ("path" in place) {
      const why = await freeSocketPath(place.path);
      if (why !== undefined) return `${describePlace(place)}: ${why}`;
    }
    try {
      return await ListenerLease.bind(place, holder, this.#share);
    } catch (error) {
      const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
      // No IPv6 on this machine: every address is every one of IPv4's.
      if (code === "EAFNOSUPPORT" && "host" in place && place.host === "::") {
        return this.#bind({ host: "0.0.0.0", port: place.port }, holder);
      }
      if (code !== "EADDRINUSE") return `${describePlace(place)}: ${reasonOf(error)}`;
      // The device had the port on another address, which is in the way of this one.
      const inItsWay = this.#othersOnPort(place);
      const own = inItsWay.filter((lease) => this.#isPredecessor(lease, holder));
      if (own.length === 0) {
        const who = inItsWay.length > 0 ? "held by another device" : "in use on the server";
        return `${describePlace(place)} is ${who}`;
      }
      for (const { holder: before, place: freed } of own) {
        this.#onEvicted(before.connection, holder.connection, freed);
        void before.connection.end(REPLACED); // its listeners are closed within this turn
      }
      return this.#bind(place, holder);
    }
  }

  #othersOnPort(place: ListenPlace): ListenerLease[] {
    if (!("port" in place) || place.port === 0) return [];
    return this.leases.filter((lease) => "port" in lease.place && lease.place.port === place.port);
  }
}

/** A place as text: `port 2213 of 127.0.0.1`, or the path. */
function describePlace(place: ListenPlace): string {
  if ("path" in place) return place.path;
  return `port ${place.port} of ${place.host === "::" ? "every address" : place.host}`;
}

function keyOf(place: ListenPlace): string {
  return "path" in place ? place.path : `${place.port} ${place.host}`;
}

function reasonOf(error: unknown): string {
  if (error instanceof SshReverseError) return error.message;
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  if (code === "EACCES") return "the server may not bind it";
  if (code === "EADDRNOTAVAIL") return "the server has no such address";
  return error instanceof Error ? error.message : String(error);
}
