import { MuxError } from "./mux-error.ts";
import type { PortRange } from "./port-range.ts";
import {
  type AllocationRequest,
  type KeyBinding,
  keptText,
  type PortHolder,
  type Reservation,
} from "./registry.ts";
import type { RegistryDatabase } from "./registry-database.ts";

/** The registry's own time, which only goes on while a server runs, and what is expired by it. */
export interface RegistryTime {
  /** ms */
  readonly ticks: number;
  /** Ports of identities that were last seen before this, ms, can be had by others. */
  readonly expiredBefore: number;
}

/**
 * Which port is whose: all of it is decided here, and each function within its caller's transaction.
 *
 * A port that was ever given away has a row for good. So the lowest port without a row only ever moves up, and it is looked for from
 * where it was found last.
 */
export class PortAllocation {
  readonly #database: RegistryDatabase;
  /** No port of a range that begins at `from` is unused below `unused`. */
  #lowest: { readonly from: number; readonly unused: number } = { from: 0, unused: 0 };

  constructor(database: RegistryDatabase) {
    this.#database = database;
  }

  /** The ports of an identity where it has all of them already: nothing needs to be written then. */
  heldPorts({ identity, forwardings, range }: AllocationRequest): readonly number[] | undefined {
    const held = this.#database.rows(
      `SELECT port, forwarding, is_reserved FROM ports
       JOIN identities ON identities.id = identity_id
       WHERE identity = ? AND released_at IS NULL AND first_seen IS NOT NULL ORDER BY forwarding`,
      [identity],
    );
    const ports = held
      .filter(({ port, is_reserved }) => is_reserved === 1 || isWithin(Number(port), range))
      .filter(({ forwarding }, at) => Number(forwarding) === at)
      .map(({ port }) => Number(port));
    return ports.length < forwardings ? undefined : ports.slice(0, forwardings);
  }

  /** What was done since was undone by the caller. */
  rolledBack(): void {
    this.#lowest = { from: 0, unused: 0 };
  }

  /** All the ports that are asked for, or none; the caller undoes what was done when this throws. @throws MuxError `ERR_MUX_RANGE_EXHAUSTED` */
  allocate(request: AllocationRequest, time: RegistryTime): readonly number[] {
    const { identity, forwardings, range, now } = request;
    const id = this.#identityId(identity, time);
    this.noteSeen(request, time);
    const ports: number[] = [];
    for (let forwarding = 0; forwarding < forwardings; forwarding++) {
      const held = this.#database.row(
        "SELECT port, is_reserved FROM ports WHERE identity_id = ? AND forwarding = ? AND released_at IS NULL",
        [id, forwarding],
      );
      const port = Number(held?.["port"]);
      if (held !== undefined && (held["is_reserved"] === 1 || isWithin(port, range))) {
        ports.push(port);
        continue;
      }
      // The range is another one than it was: what lies outside waits, should the range come back.
      if (held !== undefined) this.#releasePort(port, now);
      ports.push(this.#take({ id, forwarding, range }, time, request));
    }
    return ports;
  }

  /** Remembers that a device asked. */
  noteSeen({ identity, address, now }: AllocationRequest, { ticks }: RegistryTime): void {
    this.#database.run(
      `UPDATE identities SET first_seen = coalesce(first_seen, ?), last_seen = ?, seen_tick = ?,
       address = coalesce(?, address) WHERE identity = ?`,
      [now, now, ticks, address === undefined ? null : keptText(address), identity],
    );
  }

  /** Gives all ports of an identity back; false when it had none. */
  release(identity: string, now: number): boolean {
    const held = this.#database.rows(
      `SELECT port FROM ports JOIN identities ON identities.id = identity_id
       WHERE identity = ? AND released_at IS NULL ORDER BY forwarding`,
      [identity],
    );
    for (const { port } of held) this.#releasePort(Number(port), now);
    this.#database.run("UPDATE identities SET key = NULL WHERE identity = ?", [identity]);
    return held.length > 0;
  }

  /** Whose a port is now. */
  holderOf(port: number): PortHolder | undefined {
    const row = this.#database.row(
      `SELECT identity, key FROM ports JOIN identities ON identities.id = identity_id
       WHERE port = ? AND released_at IS NULL`,
      [port],
    );
    if (row === undefined) return undefined;
    const { identity, key } = row;
    return { identity: String(identity), ...(typeof key === "string" ? { key } : {}) };
  }

  /** Binds a key where there is none, or in place of one; whose the port is afterwards. */
  bindKey({ identity, port, key, inPlace = false }: KeyBinding): PortHolder | undefined {
    const holder = this.holderOf(port);
    if (holder?.identity !== identity) return holder;
    if (holder.key !== undefined && !inPlace) return holder;
    this.#database.run("UPDATE identities SET key = ? WHERE identity = ?", [key, identity]);
    return { identity, key };
  }

  /** @throws MuxError `ERR_MUX_PORT_TAKEN` */
  reserve({ identity, port, forwarding = 0, now }: Reservation, time: RegistryTime): void {
    const holder = this.#database.row(
      `SELECT identity, forwarding FROM ports JOIN identities ON identities.id = identity_id
       WHERE port = ? AND released_at IS NULL`,
      [port],
    );
    if (holder !== undefined) {
      const whose =
        holder["identity"] === identity
          ? `this identity's forwarding ${String(holder["forwarding"])} has it`
          : `${String(holder["identity"])} has it`;
      const isSame = holder["identity"] === identity && holder["forwarding"] === forwarding;
      if (!isSame) throw new MuxError("ERR_MUX_PORT_TAKEN", `port ${port} is taken: ${whose}`);
    }
    const id = this.#identityId(identity, time);
    const former = this.#database.row(
      "SELECT port FROM ports WHERE identity_id = ? AND forwarding = ? AND released_at IS NULL AND port <> ?",
      [id, forwarding, port],
    );
    if (former !== undefined) this.#releasePort(Number(former["port"]), now);
    this.#give({ port, id, forwarding, isReserved: true });
  }

  #identityId(identity: string, { ticks }: RegistryTime): number {
    this.#database.run(
      "INSERT INTO identities (identity, seen_tick) VALUES (?, ?) ON CONFLICT (identity) DO NOTHING",
      [identity, ticks],
    );
    const row = this.#database.row("SELECT id FROM identities WHERE identity = ?", [identity]);
    return Number(row?.["id"]);
  }

  #take(
    wanted: { readonly id: number; readonly forwarding: number; readonly range: PortRange },
    time: RegistryTime,
    request: AllocationRequest,
  ): number {
    const { id, forwarding, range } = wanted;
    const port =
      this.#ownFormerPort(wanted) ??
      this.#unusedPort(range) ??
      this.#longestReleasedPort(range) ??
      this.#longestExpiredPort(id, range, time);
    if (port === undefined) {
      const { from, to } = range;
      const more = forwarding === 0 ? "" : ` for its forwarding ${forwarding}`;
      const message = `no port from ${from} to ${to} is free${more} (asked for by ${request.identity})`;
      throw new MuxError("ERR_MUX_RANGE_EXHAUSTED", message, { limit: to - from + 1 });
    }
    this.#give({ port, id, forwarding, isReserved: false });
    return port;
  }

  /** What it had before, and nobody needed: rather the port of the same forwarding, and of those the last one. */
  #ownFormerPort({
    id,
    forwarding,
    range: { from, to },
  }: {
    readonly id: number;
    readonly forwarding: number;
    readonly range: PortRange;
  }): number | undefined {
    return this.#port(
      `SELECT port FROM ports WHERE identity_id = ? AND released_at IS NOT NULL AND port BETWEEN ? AND ?
       ORDER BY forwarding = ? DESC, released_order DESC LIMIT 1`,
      [id, from, to, forwarding],
    );
  }

  #unusedPort({ from, to }: PortRange): number | undefined {
    const start = this.#lowest.from === from ? this.#lowest.unused : from;
    // Full to the end of another range, which was shorter or longer.
    if (start > to) return undefined;
    const port = this.#port(
      `SELECT CASE WHEN NOT EXISTS (SELECT 1 FROM ports WHERE port = ?1) THEN ?1 ELSE
         (SELECT port + 1 FROM ports AS used WHERE port BETWEEN ?1 AND ?2
          AND NOT EXISTS (SELECT 1 FROM ports WHERE port = used.port + 1) ORDER BY port LIMIT 1)
       END AS port`,
      [start, to],
    );
    if (port === undefined) return undefined;
    this.#lowest = { from, unused: port };
    return port > to ? undefined : port;
  }

  #longestReleasedPort({ from, to }: PortRange): number | undefined {
    return this.#port(
      `SELECT port FROM ports WHERE released_at IS NOT NULL AND port BETWEEN ? AND ?
       ORDER BY released_order LIMIT 1`,
      [from, to],
    );
  }

  #longestExpiredPort(
    id: number,
    { from, to }: PortRange,
    { expiredBefore }: RegistryTime,
  ): number | undefined {
    return this.#port(
      `SELECT port FROM ports JOIN identities ON identities.id = identity_id
       WHERE released_at IS NULL AND is_reserved = 0 AND port BETWEEN ? AND ?
       AND seen_tick < ? AND identity_id <> ? ORDER BY seen_tick, port LIMIT 1`,
      [from, to, expiredBefore, id],
    );
  }

  #port(sql: string, parameters: readonly unknown[]): number | undefined {
    const port = this.#database.row(sql, parameters)?.["port"];
    return typeof port === "number" ? port : undefined;
  }

  #give(row: {
    readonly port: number;
    readonly id: number;
    readonly forwarding: number;
    readonly isReserved: boolean;
  }): void {
    const before = this.#database.row("SELECT identity_id FROM ports WHERE port = ?", [row.port]);
    this.#database.run(
      `INSERT INTO ports (port, identity_id, forwarding, is_reserved) VALUES (?, ?, ?, ?)
       ON CONFLICT (port) DO UPDATE SET identity_id = excluded.identity_id, forwarding = excluded.forwarding,
       is_reserved = excluded.is_reserved, released_at = NULL, released_order = NULL`,
      [row.port, row.id, row.forwarding, row.isReserved ? 1 : 0],
    );
    if (before === undefined || before["identity_id"] === row.id) return;
    // Who has no port any more, and had none that nobody else needed, is forgotten.
    this.#database.run(
      "DELETE FROM identities WHERE id = ? AND NOT EXISTS (SELECT 1 FROM ports WHERE identity_id = ?)",
      [before["identity_id"], before["identity_id"]],
    );
  }

  #releasePort(port: number, now: number): void {
    this.#database.run("UPDATE facts SET value = value + 1 WHERE name = 'releases'");
    this.#database.run(
      `UPDATE ports SET is_reserved = 0, released_at = ?,
       released_order = (SELECT value FROM facts WHERE name = 'releases') WHERE port = ?`,
      [now, port],
    );
  }
}

function isWithin(port: number, { from, to }: PortRange): boolean {
  return port >= from && port <= to;
}
