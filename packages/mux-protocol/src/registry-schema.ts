import type { Database } from "./registry-database.ts";

/** Tells a registry from other SQLite databases: "dhmx". */
export const APPLICATION_ID: number = 0x64_68_6d_78;

/**
 * What makes each version of the schema of the one before it; the first one makes it of nothing. What was published stays as it is:
 * a change is one more step.
 *
 * `ports` keeps every port that was ever given away, also those that were released: so it is known which ports nobody has had, and
 * which were free for longest. `released_order` counts releases, since clocks jump. `seen_tick` is a time of the registry's own
 * (`facts.ticks`), ms in which a server was running.
 */
const MIGRATIONS: readonly string[] = [
  `CREATE TABLE identities (
     id INTEGER PRIMARY KEY,
     identity TEXT NOT NULL UNIQUE,
     first_seen INTEGER,
     last_seen INTEGER,
     seen_tick INTEGER NOT NULL,
     address TEXT,
     hook TEXT
   ) STRICT;
   CREATE TABLE ports (
     port INTEGER PRIMARY KEY CHECK (port BETWEEN 1 AND 65535),
     identity_id INTEGER NOT NULL REFERENCES identities (id),
     forwarding INTEGER NOT NULL CHECK (forwarding BETWEEN 0 AND 15),
     is_reserved INTEGER NOT NULL CHECK (is_reserved IN (0, 1)),
     released_at INTEGER,
     released_order INTEGER,
     CHECK ((released_at IS NULL) = (released_order IS NULL)),
     CHECK (is_reserved = 0 OR released_at IS NULL)
   ) STRICT;
   CREATE UNIQUE INDEX ports_held ON ports (identity_id, forwarding) WHERE released_at IS NULL;
   CREATE INDEX ports_of_identity ON ports (identity_id);
   CREATE INDEX ports_released ON ports (released_order) WHERE released_at IS NOT NULL;
   CREATE TABLE facts (name TEXT PRIMARY KEY, value INTEGER NOT NULL) STRICT;
   INSERT INTO facts (name, value) VALUES ('ticks', 0), ('releases', 0);`,
  // Fingerprint of the SSH key that the identity's device logs in with.
  "ALTER TABLE identities ADD COLUMN key TEXT;",
];

/** What is found in a file. */
export type SchemaState = "ours" | "older" | "newer" | "empty" | "foreign";

/** The version that is written here. */
export const SCHEMA_VERSION: number = MIGRATIONS.length;

/** Looks; changes nothing. */
export function schemaState(database: Database): SchemaState {
  const version = numberOf(database, "user_version");
  if (numberOf(database, "application_id") === APPLICATION_ID) {
    if (version === SCHEMA_VERSION) return "ours";
    return version > SCHEMA_VERSION ? "newer" : "older";
  }
  const [row] = database.prepare("SELECT count(*) AS count FROM sqlite_master").all([]);
  return version === 0 && columnOf(row, "count") === 0 ? "empty" : "foreign";
}

/**
 * Brings an empty or older registry to the present schema, within the caller's transaction; somebody else may have been faster.
 *
 * @param goal - another version than the present one, for tests
 */
export function migrate(database: Database, goal: number = SCHEMA_VERSION): void {
  const version = numberOf(database, "user_version");
  if (version >= goal) return;
  for (const step of MIGRATIONS.slice(version, goal)) database.exec(step);
  database.exec(`PRAGMA application_id = ${APPLICATION_ID}`);
  database.exec(`PRAGMA user_version = ${goal}`);
}

function numberOf(database: Database, pragma: "user_version" | "application_id"): number {
  const [row] = database.prepare(`PRAGMA ${pragma}`).all([]);
  return Number(columnOf(row, pragma));
}

function columnOf(row: unknown, name: string): unknown {
  return typeof row === "object" && row !== null ? Reflect.get(row, name) : undefined;
}
