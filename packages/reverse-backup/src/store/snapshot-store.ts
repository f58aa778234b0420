import * as path from "node:path";
import { capabilities, type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { Catalog, type CatalogRecord, catalogRecordOf } from "./catalog.ts";
import { STORE_NAMES } from "./constants.ts";
import { DigestLoading } from "./digest-loading.ts";
import { ensureDirectory } from "./durable-files.ts";
import { during, printable, StoreError, storeErrorOf } from "./errors.ts";
import { emptyTrash, partialNumbers, pointLatestAt, publishedIds } from "./machine-directory.ts";
import { MachineLock } from "./machine-lock.ts";
import { assertKeyId, isKeyId } from "./machine-name.ts";
import { type NameBinding, NameBindings } from "./name-bindings.ts";
import { openResumeBasis } from "./partial.ts";
import { type RestoreOptions, type RestoreReport, restoreSnapshot } from "./restore.ts";
import { damagedSnapshot, type Snapshot, snapshotOf } from "./snapshot.ts";
import type { SnapshotId } from "./snapshot-id.ts";
import { readSnapshotMeta } from "./snapshot-meta.ts";
import { readStoreFile, type SnapshotMode, type StoreFile } from "./store-file.ts";
import { createStore, openRoot } from "./store-root.ts";
import { TimeSlice } from "./time-slice.ts";
import { type PublishStep, SnapshotTransaction, type TransactionParts } from "./transaction.ts";
import { type VerifyOptions, type VerifyReport, verifySnapshot } from "./verify.ts";

/** How a store is opened. */
export interface OpenStoreOptions {
  /** Makes a store of a directory that is missing (its parent must exist) or empty. @defaultValue false */
  readonly create?: boolean;
  /** Told each step of a publication; what it throws ends the publication there. @defaultValue nothing */
  readonly onStep?: (step: PublishStep) => void;
}

/** How a pull begins. */
export interface BeginOptions {
  /** The machine's name, bound to the key at its first use. */
  readonly name: string;
  /** Host's time. @defaultValue now */
  readonly now?: Date;
  /**
   * Whether the puller sets owners and makes devices, so that a verification compares them.
   * @defaultValue whether this process is root
   */
  readonly owners?: boolean;
  /** Whether the puller keeps access control lists and extended attributes. @defaultValue false */
  readonly attributes?: boolean;
  /**
   * Resolve before the previous snapshot's digests are read: what comes first of a transfer goes on meanwhile. The caller waits
   * for {@link SnapshotTransaction.ready} before it records. @defaultValue false
   */
  readonly readyLater?: boolean;
  /** Ends the preparation. */
  readonly signal?: AbortSignal;
}

/**
 * Snapshots of many machines in one directory, as plain trees that share what did not change by hard links.
 *
 * A machine is its key: its directory is named by the key's id, and its name is bound to it at first use. A snapshot
 * is made by {@link begin} and {@link SnapshotTransaction.publish}, appears with its final name only when all of it
 * is on the disk, and is never changed afterwards. Several processes may use one store at once.
 */
export class SnapshotStore implements Disposable {
  /** As it was given. */
  readonly root: string;
  readonly mode: SnapshotMode;
  readonly #root: DirectoryHandle;
  readonly #hosts: DirectoryHandle;
  readonly #byName: DirectoryHandle;
  readonly #names: NameBindings;
  readonly #catalog: Catalog;
  readonly #onStep: (step: PublishStep) => void;

  private constructor(
    rootPath: string,
    root: DirectoryHandle,
    file: StoreFile,
    options: OpenStoreOptions,
  ) {
    this.root = rootPath;
    this.mode = file.mode;
    this.#root = root;
    this.#hosts = ensureDirectory(root, STORE_NAMES.hosts);
    this.#byName = ensureDirectory(root, STORE_NAMES.byName);
    this.#names = new NameBindings(this.#byName);
    this.#catalog = new Catalog(root);
    this.#onStep = options.onStep ?? ((): void => {});
  }

  /**
   * Opens a store. Throws `ERR_STORE_MISSING` when the directory is missing or none, `ERR_STORE_NOT_A_STORE` when it holds
   * something else, `ERR_STORE_FORMAT` for a version or mode that is not known, `ERR_STORE_IO`.
   */
  static async open(root: string, options: OpenStoreOptions = {}): Promise<SnapshotStore> {
    const handle = openRoot(root, options.create === true);
    try {
      const store = during(`cannot open the store ${root}`, () => {
        const file =
          readStoreFile(handle, root) ?? createStore(handle, root, options.create === true);
        return new SnapshotStore(path.resolve(root), handle, file, options);
      });
      await store.#reconcile();
      return store;
    } catch (error) {
      handle.close();
      throw error;
    }
  }

  /**
   * Binds a name to a key at its first use; afterwards makes sure that it is so. Throws `ERR_STORE_NAME` for a name that is
   * not allowed, `ERR_STORE_NAME_TAKEN` when the name belongs to another key or the key to another name.
   */
  bindName(name: string, keyId: string): void {
    during(`cannot bind the name "${printable(name)}"`, () => this.#names.bind(name, keyId));
  }

  /** The name of a key; undefined when it has none. */
  boundName(keyId: string): string | undefined {
    return this.#names.nameOf(keyId);
  }

  /** All names and their keys, sorted by name. */
  namesOf(): readonly NameBinding[] {
    return this.#names.all();
  }

  /**
   * Begins a pull of a machine: binds the name, takes the machine's lock, cleans up after what was killed, and makes the
   * directory to pull into. Throws `ERR_STORE_BUSY` when a pull of this machine is running, and what {@link bindName} throws.
   */
  async begin(keyId: string, options: BeginOptions): Promise<SnapshotTransaction> {
    const transaction = await this.#prepare(keyId, options);
    if (options.readyLater) return transaction;
    try {
      await transaction.ready;
      return transaction;
    } catch (error) {
      await transaction.abort({ keepPartial: false });
      throw storeErrorOf(error, `cannot begin a snapshot of "${options.name}"`);
    }
  }

  /** A transaction whose previous snapshot's digests are on their way. */
  async #prepare(keyId: string, options: BeginOptions): Promise<SnapshotTransaction> {
    const { name, signal } = options;
    signal?.throwIfAborted();
    this.bindName(name, keyId);
    const machine = during(`cannot use the store for "${name}"`, () =>
      ensureDirectory(this.#hosts, keyId),
    );
    let lock: MachineLock | undefined;
    let previous: TransactionParts["previous"];
    let basis: TransactionParts["basis"];
    try {
      lock = MachineLock.take(machine, `machine "${name}"`);
      const ids = publishedIds(machine);
      // The lock file's number is no pull's number; partials that are removed below must not give theirs to another.
      const last = Math.max(0, ...ids.map((id) => id.sequence), ...partialNumbers(machine));
      await emptyTrash(machine, signal);
      if (lock.takenOver) this.#reconcileMachine(keyId, machine, ids, await this.#catalog.read());
      previous = openPrevious(machine, ids, signal);
      if (previous !== undefined) pointLatestAt(machine, previous.id);
      basis = await openResumeBasis(machine, signal);
      return SnapshotTransaction.begin({
        keyId,
        name,
        sequence: last + 1,
        startedAt: startTime(options.now ?? new Date(), ids.at(-1)),
        machinePath: this.#machinePath(keyId),
        machine,
        lock,
        catalog: this.#catalog,
        previous,
        basis,
        header: {
          owners: options.owners ?? process.geteuid?.() === 0,
          nanoseconds: capabilities().nanosecondTimes,
          ...(options.attributes ? { attributes: true } : {}),
        },
        onStep: this.#onStep,
      });
    } catch (error) {
      await previous?.digests[Symbol.asyncDispose]();
      basis?.directory.close();
      lock?.release();
      machine.close();
      throw storeErrorOf(error, `cannot begin a snapshot of "${name}"`);
    }
  }

  /** All published snapshots, by machine name and then from the oldest to the newest. Unfinished pulls are not among them. */
  async list(): Promise<readonly Snapshot[]> {
    const records = await this.#catalog.read();
    const names = new Map(this.#names.all().map(({ name, keyId }) => [keyId, name]));
    const slice = new TimeSlice();
    const lists: { readonly name: string; readonly snapshots: readonly Snapshot[] }[] = [];
    for (const keyId of this.#keyIds()) {
      const name = names.get(keyId) ?? keyId;
      lists.push({ name, snapshots: this.#snapshotsOf(keyId, name, records) });
      if (slice.due(8)) await slice.pause();
    }
    return lists
      .toSorted((a, b) => (a.name < b.name ? -1 : a.name > b.name ? 1 : 0))
      .flatMap(({ snapshots }) => snapshots);
  }

  /**
   * One snapshot of a machine (name or key id): `latest`, a whole id, or the beginning of exactly one.
   * Throws `ERR_STORE_NOT_FOUND`, `ERR_STORE_AMBIGUOUS`.
   */
  async find(machine: string, selector = "latest"): Promise<Snapshot> {
    const keyId = this.#keyIdOf(machine);
    const name = this.#names.nameOf(keyId) ?? keyId;
    // A machine's few files are read sooner than everybody's catalogue.
    const snapshots = this.#snapshotsOf(keyId, name, new Map());
    if (selector === "latest") {
      const latest = snapshots.findLast(({ status }) => status !== "damaged");
      if (latest !== undefined) return latest;
      throw new StoreError("ERR_STORE_NOT_FOUND", `machine "${printable(name)}" has no snapshot`);
    }
    const fitting = snapshots.filter(({ id }) => selector !== "" && id.startsWith(selector));
    const [first] = fitting;
    if (first !== undefined && fitting.length === 1) return first;
    const exact = fitting.find(({ id }) => id === selector);
    if (exact !== undefined) return exact;
    throw fitting.length === 0
      ? new StoreError(
          "ERR_STORE_NOT_FOUND",
          `machine "${printable(name)}" has no snapshot "${printable(selector, 60)}"`,
        )
      : new StoreError(
          "ERR_STORE_AMBIGUOUS",
          `"${printable(selector, 60)}" fits ${fitting.length} snapshots of "${printable(name)}", the first is ${first?.id ?? ""}`,
        );
  }

  /** Compares a snapshot with its manifest. Differences are in the report; throws only for what keeps it from comparing. */
  async verify(snapshot: Snapshot, options: VerifyOptions = {}): Promise<VerifyReport> {
    try {
      using machine = this.#openMachine(snapshot.keyId);
      return await verifySnapshot(machine, snapshot.id, options);
    } catch (error) {
      throw storeErrorOf(error, `cannot verify snapshot ${snapshot.id}`);
    }
  }

  /** Copies a tree, or paths of it, out of a snapshot; see {@link RestoreOptions}. */
  async restore(snapshot: Snapshot, options: RestoreOptions): Promise<RestoreReport> {
    try {
      using machine = this.#openMachine(snapshot.keyId);
      using directory = machine.openDirectory(Buffer.from(snapshot.id));
      return await restoreSnapshot(directory, options);
    } catch (error) {
      throw storeErrorOf(error, `cannot restore from snapshot ${snapshot.id}`);
    }
  }

  /** Closes what the store holds open; transactions live on. Once more does nothing. */
  close(): void {
    this.#byName.close();
    this.#hosts.close();
    this.#root.close();
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #machinePath(keyId: string): string {
    return path.join(this.root, STORE_NAMES.hosts, keyId);
  }

  #openMachine(keyId: string): DirectoryHandle {
    assertKeyId(keyId);
    return this.#hosts.openDirectory(Buffer.from(keyId));
  }

  #keyIds(): string[] {
    return this.#hosts
      .names()
      .map((name) => name.toString("latin1"))
      .filter(isKeyId);
  }

  #keyIdOf(machine: string): string {
    const bound = this.#names.all().find(({ name }) => name === machine)?.keyId;
    if (bound !== undefined) return bound;
    if (isKeyId(machine) && this.#hosts.lstat(Buffer.from(machine)) !== undefined) return machine;
    throw new StoreError(
      "ERR_STORE_NOT_FOUND",
      `the store has no machine "${printable(machine, 80)}"`,
    );
  }

  #snapshotsOf(
    keyId: string,
    name: string,
    records: ReadonlyMap<string, CatalogRecord>,
  ): Snapshot[] {
    let machine: DirectoryHandle;
    try {
      machine = this.#openMachine(keyId);
    } catch (error) {
      // Bound, but nothing was pulled yet.
      if (errorCode(error) === "ENOENT") return [];
      throw storeErrorOf(error, `cannot list the snapshots of "${printable(name)}"`);
    }
    try {
      return publishedIds(machine).map((id) => {
        const at = path.join(this.#machinePath(keyId), id.id);
        const record = records.get(`${keyId}/${id.id}`) ?? readRecord(machine, id);
        return record === undefined
          ? damagedSnapshot(keyId, name, id, at)
          : snapshotOf(record, id, at);
      });
    } finally {
      machine.close();
    }
  }

  /** Brings the catalogue in line with the directories, which a kill or a restored copy may have parted. */
  async #reconcile(): Promise<void> {
    const records = await this.#catalog.read();
    const slice = new TimeSlice();
    const present = new Set<string>();
    try {
      for (const keyId of this.#keyIds()) {
        using machine = this.#openMachine(keyId);
        const ids = publishedIds(machine);
        for (const { id } of ids) present.add(`${keyId}/${id}`);
        this.#reconcileMachine(keyId, machine, ids, records);
        if (slice.due(8)) await slice.pause();
      }
      for (const [key, { keyId, id }] of records) {
        if (!present.has(key)) this.#catalog.removed(keyId, id);
      }
    } catch (error) {
      // A store on a read-only or full disk, or of another user, can still be listed and restored from.
      if (!UNWRITABLE.has(errorCode(error) ?? "")) throw error;
    }
  }

  #reconcileMachine(
    keyId: string,
    machine: DirectoryHandle,
    ids: readonly SnapshotId[],
    records: ReadonlyMap<string, CatalogRecord>,
  ): void {
    for (const id of ids) {
      if (records.has(`${keyId}/${id.id}`)) continue;
      const record = readRecord(machine, id);
      if (record !== undefined && record.keyId === keyId) this.#catalog.published(record);
    }
  }
}

/** The latest snapshot that is whole, its digests on their way. */
function openPrevious(
  machine: DirectoryHandle,
  ids: readonly SnapshotId[],
  signal: AbortSignal | undefined,
): TransactionParts["previous"] {
  for (const { id } of ids.toReversed()) {
    try {
      using snapshot = machine.openDirectory(Buffer.from(id));
      const { meta, sha256 } = readSnapshotMeta(snapshot, id);
      const digests = new DigestLoading(machine, id, meta.totals.files, signal);
      return { id, metaSha256: sha256, digests };
    } catch (error) {
      if (!isCorrupt(error)) throw error;
    }
  }
  return undefined;
}

const UNWRITABLE: ReadonlySet<string> = new Set(["EACCES", "EPERM", "EROFS", "ENOSPC", "EDQUOT"]);

function isCorrupt(error: unknown): boolean {
  return error instanceof StoreError && error.code === "ERR_STORE_CORRUPT";
}

function readRecord(machine: DirectoryHandle, { id }: SnapshotId): CatalogRecord | undefined {
  try {
    using snapshot = machine.openDirectory(Buffer.from(id));
    return catalogRecordOf(readSnapshotMeta(snapshot, id).meta);
  } catch (error) {
    if (isCorrupt(error) || errorCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** Whole seconds, later than the last one's whatever the clock says. */
function startTime(now: Date, last: SnapshotId | undefined): Date {
  const seconds = Math.floor(now.getTime() / 1000);
  const after = last === undefined ? seconds : Math.floor(last.startedAt.getTime() / 1000) + 1;
  return new Date(Math.max(seconds, after) * 1000);
}
