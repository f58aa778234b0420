import { closeSync, constants, existsSync, fsyncSync, openSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { REGISTRY } from "./constants.ts";
import { MuxError } from "./mux-error.ts";
import { migrate, SCHEMA_VERSION, schemaState } from "./registry-schema.ts";

/** What is used of `libsql`. Parameters always go in one list: it takes a lone null for an object. */
export interface Database {
  readonly exec: (sql: string) => void;
  readonly prepare: (sql: string) => Statement;
}

interface Statement {
  readonly run: (parameters: readonly unknown[]) => unknown;
  readonly all: (parameters: readonly unknown[]) => unknown[];
}

/** The whole of it, with what only the opening and closing needs. */
interface Connection extends Database {
  readonly inTransaction: boolean;
  readonly close: () => void;
}

type LibsqlClass = new (path: string, options: { readonly timeout: number }) => Connection;

/** A row as it is read. */
export type Row = Readonly<Record<string, unknown>>;

/**
 * The file of a registry: SQLite with a write-ahead log, which several processes can have open. Whoever writes waits for the others without
 * holding up the event loop for more than `REGISTRY.busyMs` at a time.
 */
export class RegistryDatabase implements Database {
  readonly #path: string;
  readonly #lockTimeoutMs: number;
  readonly #statements = new Map<string, Statement>();
  #connection: Connection | undefined;

  private constructor(path: string, connection: Connection, lockTimeoutMs: number) {
    this.#path = path;
    this.#connection = connection;
    this.#lockTimeoutMs = lockTimeoutMs;
  }

  /** @throws MuxError `ERR_MUX_REGISTRY`, `ERR_MUX_REGISTRY_BUSY` */
  static async open(
    path: string,
    { create, lockTimeoutMs }: { readonly create: boolean; readonly lockTimeoutMs: number },
  ): Promise<RegistryDatabase> {
    openFile(path, create);
    // Not before it is needed: it is a library of 10 MB. The bundled command line has no import() of its own.
    const Libsql: LibsqlClass = createRequire(import.meta.url)("libsql");
    let connection: Connection;
    try {
      connection = new Libsql(path, { timeout: REGISTRY.busyMs });
    } catch (cause) {
      throw registryError(path, cause);
    }
    const database = new RegistryDatabase(path, connection, lockTimeoutMs);
    try {
      await database.#prepareFile(create);
    } catch (error) {
      database.close();
      throw error;
    }
    return database;
  }

  exec(sql: string): void {
    this.#open().exec(sql);
  }

  prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.#open().prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }

  /** The rows of a query. */
  rows(sql: string, parameters: readonly unknown[] = []): readonly Row[] {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- SQLite gives objects
    return this.prepare(sql).all(parameters) as Row[];
  }

  /** The first row of a query. */
  row(sql: string, parameters: readonly unknown[] = []): Row | undefined {
    return this.rows(sql, parameters)[0];
  }

  /** Changes rows. */
  run(sql: string, parameters: readonly unknown[] = []): void {
    this.prepare(sql).run(parameters);
  }

  /** Does what only reads. @throws MuxError */
  read<T>(work: () => T): Promise<T> {
    return this.#whenFree(work);
  }

  /**
   * Does what writes: all of it or nothing.
   *
   * @param isDurable - whether it must outlive a lost power supply when this resolves; what is durable makes all before it so
   * @throws MuxError
   */
  write<T>(work: () => T, isDurable: boolean): Promise<T> {
    return this.#whenFree(() => {
      this.exec(`PRAGMA synchronous = ${isDurable ? "FULL" : "NORMAL"}`);
      this.exec("BEGIN IMMEDIATE");
      try {
        const result = work();
        this.exec("COMMIT");
        return result;
      } catch (error) {
        // SQLite has done it by itself where the disk is full.
        if (this.#connection?.inTransaction) this.exec("ROLLBACK");
        throw error;
      }
    });
  }

  /**
   * Lets go. libsql keeps the file open for as long as there is a statement, until the garbage collector has found it: so what is in the log is
   * brought to the file here, and statements are forgotten.
   */
  close(): void {
    const connection = this.#connection;
    if (connection === undefined) return;
    this.#connection = undefined;
    this.#statements.clear();
    try {
      connection.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    } catch {
      // Somebody else is at it, or nothing can be written: then the log stays, and is read by the next one.
    }
    connection.close();
  }

  #open(): Connection {
    if (this.#connection === undefined) {
      throw new MuxError("ERR_MUX_REGISTRY", `registry ${this.#path} has been closed`);
    }
    return this.#connection;
  }

  async #prepareFile(create: boolean): Promise<void> {
    const path = this.#path;
    const state = await this.read(() => schemaState(this));
    switch (state) {
      case "foreign":
        throw notOurs(path, "it is another program's database");
      case "newer":
        throw notOurs(path, `a newer dialhome made it (this one knows schema ${SCHEMA_VERSION})`);
      case "empty":
        if (!create) throw notOurs(path, "it is empty");
        break;
      case "ours":
      case "older":
        break;
    }
    // Damage is told before anything is written into it.
    const damage = await this.read(() => this.row("PRAGMA quick_check(1)")?.["quick_check"]);
    if (damage !== "ok") throw notOurs(path, `it is damaged: ${String(damage).split("\n", 1)[0]}`);
    if (state === "ours") return;
    await this.read(() => this.rows("PRAGMA journal_mode = WAL"));
    await this.write(() => migrate(this), true);
  }

  async #whenFree<T>(work: () => T): Promise<T> {
    const until = performance.now() + this.#lockTimeoutMs;
    for (;;) {
      try {
        return work();
      } catch (error) {
        if (!isBusy(error)) throw registryError(this.#path, error);
        if (performance.now() >= until) {
          const message = `registry ${this.#path} has been locked by another process for ${this.#lockTimeoutMs / 1000} s`;
          throw new MuxError("ERR_MUX_REGISTRY_BUSY", message, { cause: error });
        }
      }
      await pause(REGISTRY.busyPauseMs);
    }
  }
}

/** The system's own reason where it cannot be opened, and a file that only its owner can read where there is none. */
function openFile(path: string, create: boolean): void {
  const isNew = !existsSync(path);
  try {
    const { O_RDWR, O_CREAT } = constants;
    closeSync(openSync(path, create ? O_RDWR | O_CREAT : O_RDWR, 0o600));
    if (!isNew) return;
    // The name, too, must be there after a power cut.
    const folder = openSync(dirname(path), "r");
    fsyncSync(folder);
    closeSync(folder);
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new MuxError("ERR_MUX_REGISTRY", `cannot open the registry: ${reason}`, { cause });
  }
}

function isBusy(error: unknown): boolean {
  return /^SQLITE_(BUSY|LOCKED)/.test(sqliteCode(error));
}

function sqliteCode(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : "";
}

function notOurs(path: string, why: string): MuxError {
  return new MuxError("ERR_MUX_REGISTRY", `${path} cannot be the registry: ${why}`);
}

/** What SQLite says, as one line that says what to do. Errors of our own pass. */
function registryError(path: string, cause: unknown): unknown {
  if (!(cause instanceof Error) || cause instanceof MuxError) return cause;
  const code = sqliteCode(cause);
  if (code.startsWith("SQLITE_NOTADB")) return notOurs(path, "it is no database");
  if (code.startsWith("SQLITE_CORRUPT")) {
    return notOurs(path, "it is damaged; put a copy in its place, or move it away and begin anew");
  }
  if (code.startsWith("SQLITE_FULL")) {
    const message = `registry ${path} takes nothing more: its disk is full`;
    return new MuxError("ERR_MUX_REGISTRY", message, { cause });
  }
  if (!code.startsWith("SQLITE_") && !cause.message.startsWith("ConnectionFailed")) return cause;
  const message = `registry ${path} cannot be used: ${cause.message} (${code})`;
  return new MuxError("ERR_MUX_REGISTRY", message, { cause });
}
