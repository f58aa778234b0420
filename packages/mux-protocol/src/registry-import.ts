import { REGISTRY } from "./constants.ts";
import { MuxError } from "./mux-error.ts";
import { isPort } from "./port-range.ts";
import { assertReservation, keptText, type Registration } from "./registry.ts";
import { RegistryDatabase } from "./registry-database.ts";

/**
 * Makes a registry of a list, such as another one gave: all of it or nothing.
 *
 * @param path - a file that is not there yet, or a registry in which no port was ever given away
 * @throws MuxError `ERR_MUX_REGISTRY` when there are ports in it, or it cannot be used; `ERR_MUX_OPTION` for a list in which a port or a
 * device's forwarding comes twice
 */
export async function importRegistry(path: string, list: readonly Registration[]): Promise<void> {
  assertConsistent(list);
  const { lockTimeoutMs } = REGISTRY;
  const database = await RegistryDatabase.open(path, { create: true, lockTimeoutMs });
  try {
    await database.write(() => {
      if (database.row("SELECT 1 FROM ports LIMIT 1") !== undefined) {
        const message = `registry ${path} has ports already; only one without any takes a list`;
        throw new MuxError("ERR_MUX_REGISTRY", message);
      }
      // The order in which they were released is what counts later.
      const byRelease = list.toSorted((a, b) => (a.releasedAt ?? 0) - (b.releasedAt ?? 0));
      for (const registration of byRelease) insert(database, registration);
    }, true);
  } finally {
    database.close();
  }
}

/** Reads one object of JSON, as a registry lists it. @throws MuxError `ERR_MUX_OPTION` */
export function parseRegistration(value: unknown): Registration {
  const field = (name: string): unknown => Reflect.get(Object(value), name);
  const number = (name: string): number | undefined => {
    const found = field(name);
    if (found === undefined || Number.isSafeInteger(found)) return Number(found ?? 0);
    throw wrong(`"${name}" is no whole number`);
  };
  const text = (name: string): string => {
    const found = field(name) ?? "";
    if (typeof found === "string") return found;
    throw wrong(`"${name}" is no text`);
  };
  const optional = <T>(name: string, read: (name: string) => T): Record<string, T> =>
    field(name) === undefined ? {} : { [name]: read(name) };
  const registration = {
    identity: text("identity"),
    forwarding: number("forwarding") ?? 0,
    port: number("port") ?? 0,
    isReserved: field("isReserved") === true,
    ...optional("releasedAt", number),
    ...optional("firstSeen", number),
    ...optional("lastSeen", number),
    ...optional("address", text),
    ...optional("hook", text),
    ...optional("key", text),
  };
  assertReservation({ ...registration, now: 0 });
  if (registration.isReserved && field("releasedAt") !== undefined) {
    throw wrong(`port ${registration.port} is both reserved and released`);
  }
  return registration;
}

function assertConsistent(list: readonly Registration[]): void {
  const ports = new Set<number>();
  const forwardings = new Set<string>();
  for (const { identity, forwarding, port, releasedAt } of list) {
    if (!isPort(port)) throw wrong(`${port} is no port`);
    if (ports.has(port)) throw wrong(`port ${port} comes twice`);
    ports.add(port);
    if (releasedAt !== undefined) continue;
    const name = `${identity} ${forwarding}`;
    if (forwardings.has(name)) {
      throw wrong(`${identity} has two ports for its forwarding ${forwarding}`);
    }
    forwardings.add(name);
  }
}

function insert(database: RegistryDatabase, registration: Registration): void {
  const { identity, forwarding, port, isReserved, releasedAt } = registration;
  const { firstSeen, lastSeen, address, hook, key } = registration;
  database.run(
    `INSERT INTO identities (identity, first_seen, last_seen, seen_tick, address, hook, key)
     VALUES (?, ?, ?, (SELECT value FROM facts WHERE name = 'ticks'), ?, ?, ?) ON CONFLICT (identity) DO NOTHING`,
    [identity, firstSeen ?? null, lastSeen ?? null, kept(address), kept(hook), kept(key)],
  );
  if (releasedAt !== undefined) {
    database.run("UPDATE facts SET value = value + 1 WHERE name = 'releases'");
  }
  database.run(
    `INSERT INTO ports (port, identity_id, forwarding, is_reserved, released_at, released_order)
     SELECT ?1, id, ?2, ?3, ?4, CASE WHEN ?4 IS NULL THEN NULL ELSE (SELECT value FROM facts WHERE name = 'releases') END
     FROM identities WHERE identity = ?5`,
    [port, forwarding, isReserved ? 1 : 0, releasedAt ?? null, identity],
  );
}

function kept(text: string | undefined): string | null {
  return text === undefined ? null : keptText(text);
}

function wrong(message: string): MuxError {
  return new MuxError("ERR_MUX_OPTION", message);
}
