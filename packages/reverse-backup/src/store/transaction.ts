import * as fs from "node:fs";
import { type DirectoryHandle, FILE_TYPE } from "@dialhome/posix-fs";
import type { Catalog } from "./catalog.ts";
import { catalogRecordOf } from "./catalog.ts";
import { STORE_NAMES } from "./constants.ts";
import type { DigestLoading } from "./digest-loading.ts";
import { createFile } from "./durable-files.ts";
import { during, StoreError, storeErrorOf } from "./errors.ts";
import { digestOfFile } from "./file-digest.ts";
import { discard, pointLatestAt } from "./machine-directory.ts";
import type { MachineLock } from "./machine-lock.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import type { ManifestHeader, ManifestTotals } from "./manifest-frame.ts";
import { ManifestReader } from "./manifest-reader.ts";
import { ManifestWriter } from "./manifest-writer.ts";
import { type Origin, OriginFinder } from "./origin-finder.ts";
import { type ResumeBasis, removePartialState, writePartialState } from "./partial.ts";
import { type Snapshot, snapshotOf } from "./snapshot.ts";
import { formatPartialName, formatSnapshotId } from "./snapshot-id.ts";
import { boundedWarnings, encodeSnapshotMeta, type SnapshotMeta } from "./snapshot-meta.ts";
import { TimeSlice } from "./time-slice.ts";
import { TreeCursor } from "./tree-cursor.ts";

/** The steps of a publication, in order; each is told before it is taken, `done` after all. */
export type PublishStep =
  | "manifest"
  | "meta"
  | "flush"
  | "rename"
  | "settle"
  | "catalog"
  | "latest"
  | "clean-up"
  | "done";

/** How a pull ended. */
export interface PullSummary {
  /** rsync's exit code: 0, 23 (some files could not be read) or 24 (some vanished). Nothing else can be published. */
  readonly exitCode: 0 | 23 | 24;
  /** Lines for a person; the first hundred are kept. */
  readonly warnings?: readonly string[];
  /** @defaultValue now */
  readonly finishedAt?: Date;
}

/** The snapshot that a new one shares its unchanged files with. */
export interface PreviousSnapshot {
  readonly id: string;
  /** Its tree: give it to the puller as a link destination, never to be written to. */
  readonly dataPath: string;
}

interface Previous {
  readonly id: string;
  readonly metaSha256: string;
  readonly digests: DigestLoading;
}

/** What {@link SnapshotTransaction} is made of; the store puts it together. */
export interface TransactionParts {
  readonly keyId: string;
  readonly name: string;
  readonly sequence: number;
  readonly startedAt: Date;
  /** Path of the machine's directory. */
  readonly machinePath: string;
  readonly machine: DirectoryHandle;
  readonly lock: MachineLock;
  readonly catalog: Catalog;
  readonly previous: Previous | undefined;
  readonly basis: ResumeBasis | undefined;
  readonly header: Pick<ManifestHeader, "owners" | "nanoseconds" | "attributes">;
  readonly onStep: (step: PublishStep) => void;
}

/**
 * One pull on its way to become a snapshot. It writes to {@link dataPath} only, and is no snapshot until
 * {@link publish} has renamed it; killed at any instant before, nothing is there but a partial that the next pull
 * of this machine takes its finished files from. Disposed of without having been published, it is aborted and kept.
 */
export class SnapshotTransaction implements AsyncDisposable {
  readonly keyId: string;
  readonly name: string;
  /** The snapshot's name-to-be. */
  readonly id: string;
  readonly startedAt: Date;
  /** The directory to pull into; empty at the beginning. */
  readonly dataPath: string;
  /** The latest published snapshot; undefined for a machine's first. */
  readonly previous: PreviousSnapshot | undefined;
  /** Tree of an earlier pull that did not end: a further link destination. Removed when this one is published. */
  readonly resumeBasis: string | undefined;

  /** Resolves when {@link record} may be called; rejects when the previous snapshot cannot be read. */
  readonly ready: Promise<void>;

  readonly #parts: TransactionParts;
  /** What is said when a line of the manifest cannot be written. */
  readonly #recording: string;
  readonly #partialName: string;
  readonly #partial: DirectoryHandle;
  readonly #manifest: ManifestWriter;
  readonly #header: ManifestHeader;
  /** Only while there is something to resume. */
  readonly #origins: OriginFinder | undefined;
  #missingDigests = 0;
  #state: "open" | "publishing" | "ended" = "open";

  private constructor(parts: TransactionParts, partial: DirectoryHandle, partialName: string) {
    this.#parts = parts;
    this.#partial = partial;
    this.#partialName = partialName;
    this.keyId = parts.keyId;
    this.name = parts.name;
    this.startedAt = parts.startedAt;
    this.id = formatSnapshotId(parts.startedAt, parts.sequence);
    this.dataPath = `${parts.machinePath}/${partialName}/${STORE_NAMES.data}`;
    this.previous =
      parts.previous === undefined
        ? undefined
        : {
            id: parts.previous.id,
            dataPath: `${parts.machinePath}/${parts.previous.id}/${STORE_NAMES.data}`,
          };
    this.resumeBasis =
      parts.basis === undefined
        ? undefined
        : `${parts.machinePath}/${parts.basis.name}/${STORE_NAMES.data}`;
    this.#recording = `cannot write the manifest of ${this.id}`;
    this.ready = parts.previous?.digests.ready ?? Promise.resolve();
    this.#header = { keyId: parts.keyId, id: this.id, ...parts.header };
    this.#manifest = ManifestWriter.create(partial, STORE_NAMES.manifest, this.#header);
    this.#origins =
      parts.basis === undefined
        ? undefined
        : new OriginFinder(partial, parts.machine, originOf(parts.previous), parts.basis);
  }

  /** Makes the partial directory. The parts belong to the transaction when this returns. */
  static begin(parts: TransactionParts): SnapshotTransaction {
    const partialName = formatPartialName(parts.sequence);
    return during(`cannot begin a snapshot of "${parts.name}"`, () => {
      parts.machine.mkdir(Buffer.from(partialName), 0o700);
      const partial = parts.machine.openDirectory(Buffer.from(partialName));
      try {
        partial.mkdir(Buffer.from(STORE_NAMES.data), 0o700);
        writePartialState(partial, false);
        return new SnapshotTransaction(parts, partial, partialName);
      } catch (error) {
        partial.close();
        throw error;
      }
    });
  }

  /** What was recorded so far. */
  get totals(): ManifestTotals {
    return this.#manifest.totals;
  }

  /**
   * Notes one finished entry; synchronous and cheap. The digest of a file that was taken over is found in the manifest
   * that it came from, or is computed when the snapshot is published. Only once {@link ready} has resolved. Throws `ERR_STORE_FULL`, `ERR_STORE_LIMIT`,
   * `ERR_STORE_STATE` after the end.
   */
  record(entry: ManifestEntry): void {
    if (this.#state !== "open")
      throw new StoreError("ERR_STORE_STATE", `snapshot ${this.id} is no longer open`);
    const digest = this.#digestOf(entry);
    if (digest === undefined && needsDigest(entry)) this.#missingDigests += 1;
    try {
      this.#manifest.add(entry, digest);
    } catch (error) {
      throw storeErrorOf(error, this.#recording);
    }
  }

  /**
   * Publishes: completes the manifest, writes `meta.json`, flushes the file system, renames, and notes the snapshot in the
   * catalogue. When it resolves the snapshot survives a power cut: only now may the device be told "done".
   * When it rejects nothing is published and the partial is kept; `ERR_STORE_FULL`, `ERR_STORE_CORRUPT` (a recorded
   * file has another size), `ERR_STORE_STATE` (exit code, nothing recorded, already ended), `ERR_STORE_IO` (also when a
   * recorded file is not there).
   */
  async publish(summary: PullSummary, signal?: AbortSignal): Promise<Snapshot> {
    if (this.#state !== "open")
      throw new StoreError("ERR_STORE_STATE", `snapshot ${this.id} is no longer open`);
    if (![0, 23, 24].includes(summary.exitCode)) {
      throw new StoreError(
        "ERR_STORE_STATE",
        `a pull that ended with exit code ${summary.exitCode} is not published`,
      );
    }
    if (this.totals.entries === 0) {
      throw new StoreError(
        "ERR_STORE_STATE",
        "a pull that recorded nothing, not even its root, is not published",
      );
    }
    this.#state = "publishing";
    try {
      const snapshot = await this.#publish(summary, signal);
      return snapshot;
    } catch (error) {
      this.#keep();
      throw storeErrorOf(error, `cannot publish snapshot ${this.id}`);
    } finally {
      await this.#parts.previous?.digests[Symbol.asyncDispose]();
      this.#end();
    }
  }

  /** Ends without a snapshot; once more, or after {@link publish}, does nothing. A kept partial helps the next pull. */
  async abort(options: { readonly keepPartial?: boolean } = {}): Promise<void> {
    if (this.#state !== "open") return;
    this.#state = "publishing";
    try {
      this.#closeManifest();
      if (options.keepPartial === false) {
        await discard(this.#parts.machine, Buffer.from(this.#partialName));
      } else {
        await this.#partial.flush();
        writePartialState(this.#partial, true);
      }
    } catch (error) {
      throw storeErrorOf(error, `cannot put aside the pull ${this.id}`);
    } finally {
      await this.#parts.previous?.digests[Symbol.asyncDispose]();
      this.#end();
    }
  }

  /** {@link abort}, keeping the partial; a failure to do so is no failure of disposal. */
  async [Symbol.asyncDispose](): Promise<void> {
    try {
      await this.abort();
    } catch (error) {
      if (!(error instanceof StoreError)) throw error;
    }
  }

  /** Its own, or that of the file that it was taken over from. */
  #digestOf(entry: ManifestEntry): Uint8Array | undefined {
    if (entry.digest !== undefined || !needsDigest(entry)) return entry.digest;
    if (entry.outcome === "new" || entry.outcome === "updated") return undefined;
    return this.#origins === undefined
      ? this.#parts.previous?.digests.table.find(entry)
      : this.#origins.digestOf(entry);
  }

  async #publish(summary: PullSummary, signal: AbortSignal | undefined): Promise<Snapshot> {
    const { machine, catalog, keyId, onStep, basis } = this.#parts;
    onStep("manifest");
    const manifest = await this.#finishManifest(signal);
    onStep("meta");
    const meta = this.#meta(summary, manifest);
    createFile(this.#partial, Buffer.from(STORE_NAMES.meta), encodeSnapshotMeta(meta));
    removePartialState(this.#partial);
    signal?.throwIfAborted();
    onStep("flush");
    // One flush for all files, all directories, the manifest and meta.json: thousands of single ones take seconds.
    await this.#partial.flush();
    signal?.throwIfAborted();
    onStep("rename");
    machine.rename(Buffer.from(this.#partialName), machine, Buffer.from(this.id));
    onStep("settle");
    machine.fsync();
    const record = catalogRecordOf(meta);
    const sequence = this.#parts.sequence;
    const path = `${this.#parts.machinePath}/${this.id}`;
    const snapshot = snapshotOf(record, { id: this.id, startedAt: this.startedAt, sequence }, path);
    // It is published. What follows is made good by the next begin, so its failure must not say otherwise.
    try {
      onStep("catalog");
      catalog.published(record);
      onStep("latest");
      pointLatestAt(machine, this.id);
      onStep("clean-up");
      if (basis !== undefined) await discard(machine, Buffer.from(basis.name));
    } catch (error) {
      if (!(storeErrorOf(error, keyId) instanceof StoreError)) throw error;
    }
    onStep("done");
    return snapshot;
  }

  async #finishManifest(
    signal: AbortSignal | undefined,
  ): Promise<{ readonly sha256: string; readonly totals: ManifestTotals }> {
    const finished = this.#manifest.finish();
    if (this.#missingDigests === 0) return finished;
    const complete = ".manifest.complete";
    const writer = ManifestWriter.create(this.#partial, complete, this.#header);
    try {
      using data = this.#partial.openDirectory(Buffer.from(STORE_NAMES.data));
      using cursor = new TreeCursor(data);
      const slice = new TimeSlice(signal);
      for await (const batch of new ManifestReader(this.#partial, STORE_NAMES.manifest).batches()) {
        for (const entry of batch) {
          const known = entry.digest !== undefined || !needsDigest(entry);
          writer.add(entry, known ? entry.digest : await computeDigest(cursor, entry, slice));
        }
        if (slice.due(batch.length)) await slice.pause();
      }
      const result = writer.finish();
      this.#partial.rename(Buffer.from(complete), this.#partial, Buffer.from(STORE_NAMES.manifest));
      return result;
    } finally {
      writer.close();
    }
  }

  #meta(
    summary: PullSummary,
    manifest: { readonly sha256: string; readonly totals: ManifestTotals },
  ): SnapshotMeta {
    const { previous } = this.#parts;
    return {
      format: 1,
      id: this.id,
      keyId: this.keyId,
      name: this.name,
      startedAt: this.startedAt.toISOString(),
      finishedAt: (summary.finishedAt ?? new Date()).toISOString(),
      exitCode: summary.exitCode,
      ...boundedWarnings(summary.warnings ?? []),
      totals: manifest.totals,
      manifestSha256: manifest.sha256,
      previous:
        previous === undefined ? null : { id: previous.id, metaSha256: previous.metaSha256 },
    };
  }

  /** After a failure: the next pull may take over the files, unless the machine was restarted in between. */
  #keep(): void {
    try {
      writePartialState(this.#partial, false);
    } catch (error) {
      if (!(storeErrorOf(error, this.id) instanceof StoreError)) throw error;
    }
  }

  #closeManifest(): void {
    try {
      this.#manifest.close();
    } catch (error) {
      // A full disk: the partial's manifest is only shorter.
      if (!(storeErrorOf(error, this.id) instanceof StoreError)) throw error;
    }
  }

  #end(): void {
    if (this.#state === "ended") return;
    this.#state = "ended";
    try {
      this.#closeManifest();
      this.#origins?.[Symbol.dispose]();
      this.#partial.close();
      this.#parts.basis?.directory.close();
      this.#parts.lock.release();
    } finally {
      this.#parts.machine.close();
    }
  }
}

function originOf(previous: Previous | undefined): Origin | undefined {
  return previous && { id: previous.id, digests: previous.digests.table };
}

function needsDigest(entry: ManifestEntry): boolean {
  return (entry.mode & FILE_TYPE.MASK) === FILE_TYPE.REGULAR && entry.hardLinkTo === undefined;
}

async function computeDigest(
  cursor: TreeCursor,
  entry: ManifestEntry,
  slice: TimeSlice,
): Promise<Uint8Array> {
  const { directory, name } = cursor.locate(entry.name);
  const fd = directory.openFile(name);
  try {
    const { digest, size } = await digestOfFile(fd, slice);
    if (size === entry.size) return digest;
    throw new StoreError(
      "ERR_STORE_CORRUPT",
      `${JSON.stringify(entry.name.toString())} has ${size} bytes, recorded were ${entry.size}`,
    );
  } finally {
    fs.closeSync(fd);
  }
}
