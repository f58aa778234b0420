import { setImmediate } from "node:timers/promises";
import { REGISTRY } from "./constants.ts";
import { MuxError } from "./mux-error.ts";
import { PortAllocation, type RegistryTime } from "./port-allocation.ts";
import {
  type AllocationRequest,
  assertAllocationRequest,
  assertIdentityName,
  assertKeyBinding,
  assertReservation,
  type KeyBinding,
  keptText,
  type PortHolder,
  type Registration,
  type Registry,
  type Reservation,
} from "./registry.ts";
import { RegistryDatabase, type Row } from "./registry-database.ts";

/** How a registry's file is opened. */
export interface LibsqlRegistryOptions {
  /** The file. Beside it lie `-wal` and `-shm` while it is open: a copy is of all three, or what `list` gives, for `importRegistry`. */
  readonly path: string;
  /** Makes the file where there is none. @defaultValue false */
  readonly create?: boolean;
  /**
   * A device that was not seen for so long loses its ports when they are needed. Counted are the times in which a server had the registry open: neither
   * a clock that jumps nor a server that was off for a month takes a device's port away. @defaultValue Infinity (ms)
   */
  readonly expireAfterMs?: number;
  /** Longest wait for another process. @defaultValue 5_000 (ms) */
  readonly lockTimeoutMs?: number;
  /** A clock that never jumps, ms. @defaultValue `performance.now` */
  readonly elapsed?: () => number;
}

/** Something to do within a transaction, and whom it concerns. */
interface Job {
  readonly work: (time: RegistryTime) => void;
  readonly settle: (failure: Error | undefined) => void;
}

/**
 * Opens a registry in a file of SQLite. Several processes may have it open.
 *
 * @throws MuxError `ERR_MUX_REGISTRY`, `ERR_MUX_REGISTRY_BUSY`
 */
export async function openLibsqlRegistry(options: LibsqlRegistryOptions): Promise<Registry> {
  const { path, create = false, lockTimeoutMs = REGISTRY.lockTimeoutMs } = options;
  const database = await RegistryDatabase.open(path, { create, lockTimeoutMs });
  const ticks = await database.read(() => readTicks(database));
  return new LibsqlRegistry(database, ticks, options);
}

class LibsqlRegistry implements Registry {
  readonly #database: RegistryDatabase;
  readonly #allocation: PortAllocation;
  readonly #expireAfterMs: number;
  readonly #elapsed: () => number;
  /** Jobs that the next transaction will do. */
  #waiting: Job[] = [];
  #isWorking = false;
  /** Devices that were seen and need nothing, by their identity. */
  readonly #seen = new Map<string, AllocationRequest>();
  #seenTimer: NodeJS.Timeout | undefined;
  /** The registry's own time when this one's clock showed 0, ms. */
  readonly #ticksAtZero: number;
  /** Somebody asked for ports: this one's time is a server's. */
  #isServing = false;
  readonly #underWay = new Set<Promise<unknown>>();
  #closing: Promise<void> | undefined;

  constructor(
    database: RegistryDatabase,
    ticks: number,
    { expireAfterMs = Infinity, elapsed = () => performance.now() }: LibsqlRegistryOptions,
  ) {
    this.#database = database;
    this.#allocation = new PortAllocation(database);
    this.#expireAfterMs = expireAfterMs;
    this.#elapsed = elapsed;
    this.#ticksAtZero = ticks - elapsed();
  }

  async allocate(request: AllocationRequest): Promise<readonly number[]> {
    assertAllocationRequest(request);
    this.#isServing = true;
    return this.#finish(this.#allocate(request));
  }

  async release(identity: string, now: number): Promise<boolean> {
    assertIdentityName(identity);
    return this.#finish(this.#do(() => this.#allocation.release(identity, now)));
  }

  async reserve(reservation: Reservation): Promise<void> {
    assertReservation(reservation);
    await this.#finish(this.#do((time) => this.#allocation.reserve(reservation, time)));
  }

  async holderOf(port: number): Promise<PortHolder | undefined> {
    return this.#finish(this.#database.read(() => this.#allocation.holderOf(port)));
  }

  async bindKey(binding: KeyBinding): Promise<PortHolder | undefined> {
    assertKeyBinding(binding);
    return this.#finish(this.#do(() => this.#allocation.bindKey(binding)));
  }

  async noteHook(identity: string, result: string): Promise<void> {
    assertIdentityName(identity);
    const sql = "UPDATE identities SET hook = ? WHERE identity = ?";
    const row = [keptText(result), identity];
    await this.#finish(this.#do(() => this.#database.run(sql, row)));
  }

  async list(): Promise<readonly Registration[]> {
    return this.#finish(this.#list());
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#closing ??= this.#close();
    await this.#closing;
  }

  async #allocate(request: AllocationRequest): Promise<readonly number[]> {
    const held = await this.#database.read(() => this.#allocation.heldPorts(request));
    if (held === undefined) return this.#do((time) => this.#allocation.allocate(request, time));
    this.#noteSeenLater(request);
    return held;
  }

  async #list(): Promise<readonly Registration[]> {
    if (this.#seen.size > 0) await this.#writeSeen();
    const sql = "SELECT * FROM ports JOIN identities ON identities.id = identity_id ORDER BY port";
    const rows = await this.#database.read(() => this.#database.rows(sql));
    return rows.map(registrationOf);
  }

  /** What is under way when the registry is closed is finished before. */
  async #finish<T>(work: Promise<T>): Promise<T> {
    this.#underWay.add(work);
    try {
      return await work;
    } finally {
      this.#underWay.delete(work);
    }
  }

  async #close(): Promise<void> {
    await Promise.allSettled(this.#underWay);
    try {
      if (this.#isServing) await this.#writeSeen();
    } catch {
      // When devices were seen last is not worth an error at the end.
    } finally {
      clearTimeout(this.#seenTimer);
      this.#database.close();
    }
  }

  /** Does something that must be durable, in one transaction with whatever else comes in this turn of the event loop. */
  #do<T>(work: (time: RegistryTime) => T): Promise<T> {
    return new Promise((resolve, reject) => {
      let result: { readonly value: T } | undefined;
      this.#waiting.push({
        work: (time) => {
          result = { value: work(time) };
        },
        settle: (failure) => {
          if (failure === undefined && result !== undefined) resolve(result.value);
          else reject(failure ?? new Error("a job was not done"));
        },
      });
      if (!this.#isWorking) void this.#workOff();
    });
  }

  /** Never rejects. */
  async #workOff(): Promise<void> {
    this.#isWorking = true;
    // What comes in this turn is one transaction: 200 devices that boot at once are not 200 waits for the disk.
    await setImmediate();
    while (this.#waiting.length > 0)
      await this.#workBatch(this.#waiting.splice(0, REGISTRY.batchMost));
    this.#isWorking = false;
  }

  /** Never rejects: each job is told how it went, after all of them are durable. */
  async #workBatch(jobs: readonly Job[]): Promise<void> {
    let refusals = new Map<Job, MuxError>();
    let failure: Error | undefined;
    try {
      await this.#database.write(() => {
        refusals = new Map();
        const time = this.#countTime();
        this.#writeSeenRows(time);
        for (const job of jobs) {
          const refusal = this.#tryJob(job, time);
          if (refusal !== undefined) refusals.set(job, refusal);
        }
      }, true);
    } catch (error) {
      failure = error instanceof Error ? error : new Error(String(error));
      this.#allocation.rolledBack();
    }
    for (const job of jobs) job.settle(failure ?? refusals.get(job));
  }

  /** What a job that is refused has done is undone; the others go on. */
  #tryJob(job: Job, time: RegistryTime): MuxError | undefined {
    this.#database.exec("SAVEPOINT job");
    let refusal: MuxError | undefined;
    try {
      job.work(time);
    } catch (error) {
      if (!(error instanceof MuxError)) throw error;
      refusal = error;
      this.#allocation.rolledBack();
      this.#database.exec("ROLLBACK TO job");
    }
    this.#database.exec("RELEASE job");
    return refusal;
  }

  #noteSeenLater(request: AllocationRequest): void {
    this.#seen.set(request.identity, request);
    this.#seenTimer ??= setTimeout(() => {
      // Lost at the worst is when somebody was seen; the next write tells what is wrong.
      this.#writeSeen().catch(() => undefined);
    }, REGISTRY.seenDelayMs).unref();
  }

  /** Writes when devices were seen, and how late it is by the registry's own time. */
  async #writeSeen(): Promise<void> {
    clearTimeout(this.#seenTimer);
    this.#seenTimer = undefined;
    await this.#database.write(() => this.#writeSeenRows(this.#countTime()), false);
  }

  #writeSeenRows(time: RegistryTime): void {
    for (const request of this.#seen.values()) this.#allocation.noteSeen(request, time);
    // Should it not come to a commit, nothing is lost but when they were seen.
    this.#seen.clear();
  }

  /** Brings the registry's own time up to now. */
  #countTime(): RegistryTime {
    // Another server may have counted the same hours.
    const ticks = Math.max(
      readTicks(this.#database),
      Math.floor(this.#ticksAtZero + this.#elapsed()),
    );
    this.#database.run("UPDATE facts SET value = ? WHERE name = 'ticks'", [ticks]);
    return { ticks, expiredBefore: ticks - this.#expireAfterMs };
  }
}

function readTicks(database: RegistryDatabase): number {
  return Number(database.row("SELECT value FROM facts WHERE name = 'ticks'")?.["value"]);
}

function registrationOf(row: Row): Registration {
  const number = (name: string): number | undefined =>
    typeof row[name] === "number" ? row[name] : undefined;
  const text = (name: string): string | undefined =>
    typeof row[name] === "string" ? row[name] : undefined;
  const optional = {
    releasedAt: number("released_at"),
    firstSeen: number("first_seen"),
    lastSeen: number("last_seen"),
    address: text("address"),
    hook: text("hook"),
    key: text("key"),
  };
  const known = Object.entries(optional).filter(([, value]) => value !== undefined);
  return {
    identity: text("identity") ?? "",
    forwarding: number("forwarding") ?? 0,
    port: number("port") ?? 0,
    isReserved: row["is_reserved"] === 1,
    ...Object.fromEntries(known),
  };
}
