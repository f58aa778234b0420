import * as fs from "node:fs";
import {
  type DirectoryHandle,
  errorCode,
  FILE_TYPE,
  type FileStat,
  OpenXattrs,
} from "@dialhome/posix-fs";
import { digestOfRead, readAttributes } from "./attributes-digest.ts";
import { MISMATCHES_LIMIT, STORE_NAMES } from "./constants.ts";
import { compareEntry, type Difference, type DifferenceKind } from "./entry-comparison.ts";
import { printable, StoreError } from "./errors.ts";
import { digestOfFile } from "./file-digest.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import type { ManifestHeader } from "./manifest-frame.ts";
import { ManifestReader } from "./manifest-reader.ts";
import { PathTable } from "./path-table.ts";
import { readSnapshotMeta, type SnapshotMeta } from "./snapshot-meta.ts";
import { TimeSlice } from "./time-slice.ts";
import { TreeCursor } from "./tree-cursor.ts";
import { isRegular, walkTree } from "./tree-walk.ts";

/** How thorough a verification is. */
export interface VerifyOptions {
  /** `quick`: names, types, sizes, modes, times, owners, links. `full`: all content too. @defaultValue "quick" */
  readonly level?: "quick" | "full";
  /** Called about ten times a second at most. */
  readonly onProgress?: (progress: VerifyProgress) => void;
  /** Ends it; the promise rejects with the reason. */
  readonly signal?: AbortSignal;
}

/** How far a verification has come. */
export interface VerifyProgress {
  readonly entries: number;
  readonly totalEntries: number;
  /** Bytes of content that were read. */
  readonly bytes: number;
  readonly totalBytes: number;
}

/** One difference between a snapshot and its manifest, or in what proves the manifest. */
export interface Mismatch {
  readonly kind:
    | DifferenceKind
    | "missing"
    | "unreadable"
    | "extra"
    | "content"
    | "hard-link"
    | "manifest"
    | "meta"
    | "chain";
  /** Path in the tree; undefined where it concerns the snapshot as a whole. */
  readonly path: Buffer | undefined;
  /** One line for a person. */
  readonly line: string;
}

/** What a verification found. */
export interface VerifyReport {
  readonly ok: boolean;
  readonly id: string;
  readonly level: "quick" | "full";
  readonly entries: number;
  readonly files: number;
  /** Bytes of content that were read. */
  readonly bytes: number;
  /** The first ten thousand. */
  readonly mismatches: readonly Mismatch[];
  readonly mismatchCount: number;
}

const PROGRESS_MS = 100;

/** Compares a snapshot in its machine's directory with its manifest, and the manifest with what proves it. */
export async function verifySnapshot(
  machine: DirectoryHandle,
  id: string,
  options: VerifyOptions,
): Promise<VerifyReport> {
  using snapshot = machine.openDirectory(Buffer.from(id));
  const verification = new Verification(snapshot, id, options);
  return await verification.run(machine);
}

class Verification {
  readonly #snapshot: DirectoryHandle;
  readonly #id: string;
  readonly #options: VerifyOptions;
  readonly #slice: TimeSlice;
  readonly #mismatches: Mismatch[] = [];
  #mismatchCount = 0;
  #entries = 0;
  #files = 0;
  #bytes = 0;
  #meta: SnapshotMeta | undefined;
  #toldAt = 0;

  constructor(snapshot: DirectoryHandle, id: string, options: VerifyOptions) {
    this.#snapshot = snapshot;
    this.#id = id;
    this.#options = options;
    this.#slice = new TimeSlice(options.signal);
  }

  async run(machine: DirectoryHandle): Promise<VerifyReport> {
    this.#checkMeta(machine);
    await this.#checkManifestDigest();
    using data = this.#openData();
    if (data !== undefined) await this.#checkTree(data);
    this.#tell(true);
    return {
      ok: this.#mismatchCount === 0,
      id: this.#id,
      level: this.#options.level ?? "quick",
      entries: this.#entries,
      files: this.#files,
      bytes: this.#bytes,
      mismatches: this.#mismatches,
      mismatchCount: this.#mismatchCount,
    };
  }

  #checkMeta(machine: DirectoryHandle): void {
    try {
      this.#meta = readSnapshotMeta(this.#snapshot, this.#id).meta;
      const { previous } = this.#meta;
      if (previous === null) return;
      if (machine.lstat(Buffer.from(previous.id)) === undefined) return;
      using before = machine.openDirectory(Buffer.from(previous.id));
      if (readSnapshotMeta(before, previous.id).sha256 !== previous.metaSha256) {
        this.#add("chain", undefined, `${STORE_NAMES.meta} of ${previous.id} was changed since`);
      }
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      this.#add(this.#meta === undefined ? "meta" : "chain", undefined, error.message);
    }
  }

  async #checkManifestDigest(): Promise<void> {
    const wanted = this.#meta?.manifestSha256;
    if (wanted === undefined) return;
    let fd: number;
    try {
      fd = this.#snapshot.openFile(Buffer.from(STORE_NAMES.manifest));
    } catch (error) {
      // Reading it tells that it is missing.
      if (errorCode(error) === "ENOENT") return;
      throw error;
    }
    try {
      const { digest } = await digestOfFile(fd, this.#slice);
      if (digest.toString("hex") !== wanted) {
        this.#add(
          "manifest",
          undefined,
          `the manifest is not the one that ${STORE_NAMES.meta} names`,
        );
      }
    } finally {
      fs.closeSync(fd);
    }
  }

  #openData(): DirectoryHandle | undefined {
    try {
      return this.#snapshot.openDirectory(Buffer.from(STORE_NAMES.data));
    } catch (error) {
      const code = errorCode(error);
      if (code !== "ENOENT" && code !== "ENOTDIR") throw error;
      this.#add("missing", undefined, "the whole tree is missing");
      return undefined;
    }
  }

  async #checkTree(data: DirectoryHandle): Promise<void> {
    const seen = new PathTable((this.#meta?.totals.entries ?? 0) + 1);
    const reader = new ManifestReader(this.#snapshot, STORE_NAMES.manifest);
    try {
      using cursor = new TreeCursor(data);
      using leaders = new TreeCursor(data);
      for await (const batch of reader.batches()) {
        for (const entry of batch) {
          const before = seen.size;
          seen.add(entry.name);
          if (seen.size === before) this.#add("manifest", entry.name, "is listed twice");
          await this.#tryEntry(entry, cursor, leaders, reader.header);
          if (this.#slice.due()) await this.#breathe();
        }
      }
      if (
        this.#meta !== undefined &&
        JSON.stringify(this.#meta.totals) !== JSON.stringify(reader.totals)
      ) {
        this.#add("meta", undefined, `${STORE_NAMES.meta} and the manifest tell different sums`);
      }
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      this.#add("manifest", undefined, error.message);
      // Without the whole manifest nobody can say what is too much.
      return;
    }
    for (const path of walkTree(data)) {
      if (seen.find(path) < 0) this.#add("extra", path, "is not in the manifest");
      if (this.#slice.due()) await this.#breathe();
    }
  }

  /** What cannot be looked at, such as the content of a directory that nobody but root may enter, is one difference of many. */
  async #tryEntry(
    entry: ManifestEntry,
    cursor: TreeCursor,
    leaders: TreeCursor,
    header: ManifestHeader,
  ): Promise<void> {
    try {
      await this.#checkEntry(entry, cursor, leaders, header);
    } catch (error) {
      const code = errorCode(error);
      if (code !== "EACCES" && code !== "EIO") throw error;
      this.#add("unreadable", entry.name, `cannot be looked at: ${code}`);
    }
  }

  async #checkEntry(
    entry: ManifestEntry,
    cursor: TreeCursor,
    leaders: TreeCursor,
    header: Pick<ManifestHeader, "owners" | "nanoseconds" | "attributes">,
  ): Promise<void> {
    this.#entries += 1;
    const stat = cursor.lstat(entry.name);
    if (stat === undefined) {
      // Nobody could make it: neither can it be missed.
      if (isDevice(entry) && !header.owners) return;
      this.#add("missing", entry.name, "is missing");
      return;
    }
    const differences = compareEntry(entry, stat, header, () => {
      const { directory, name } = cursor.locate(entry.name);
      return directory.readlink(name);
    });
    for (const difference of differences) this.#addDifference(entry, difference);
    if (header.attributes && this.#readsAttributes(header))
      this.#checkAttributes(entry, cursor, header);
    if (!isRegular(stat) || !isRegular(entry)) return;
    this.#files += 1;
    if (entry.hardLinkTo !== undefined) this.#checkLeader(entry, entry.hardLinkTo, stat, leaders);
    else if (this.#options.level === "full") await this.#checkContent(entry, cursor);
  }

  /** Not every user can read what root has set. */
  #readsAttributes({ owners }: { readonly owners: boolean }): boolean {
    return OpenXattrs.supported && (!owners || process.geteuid?.() === 0);
  }

  #checkAttributes(
    entry: ManifestEntry,
    cursor: TreeCursor,
    { owners }: { readonly owners: boolean },
  ): void {
    let found: Buffer | undefined;
    try {
      const attributes = readAttributes(cursor.attributes(entry.name), owners);
      if (attributes.length > 0) found = digestOfRead(attributes);
    } catch (error) {
      const code = errorCode(error) ?? "unknown error";
      this.#add("attributes", entry.name, `has attributes that cannot be read: ${code}`);
      return;
    }
    if (Buffer.compare(found ?? NONE, entry.attributes ?? NONE) === 0) return;
    this.#add("attributes", entry.name, "has other attributes than when it was saved");
  }

  #checkLeader(entry: ManifestEntry, leader: Buffer, stat: FileStat, leaders: TreeCursor): void {
    const other = leaders.lstat(leader);
    if (other?.ino === stat.ino && other.dev === stat.dev) return;
    this.#add("hard-link", entry.name, `is no hard link to ${printable(leader)}`);
  }

  async #checkContent(entry: ManifestEntry, cursor: TreeCursor): Promise<void> {
    if (entry.digest === undefined) {
      this.#add("manifest", entry.name, "has no digest in the manifest");
      return;
    }
    let fd: number;
    try {
      const { directory, name } = cursor.locate(entry.name);
      fd = directory.openFile(name);
    } catch (error) {
      this.#add("content", entry.name, `cannot be read: ${errorCode(error) ?? "unknown error"}`);
      return;
    }
    try {
      const { digest, size } = await digestOfFile(fd, this.#slice);
      this.#bytes += size;
      if (!digest.equals(entry.digest))
        this.#add("content", entry.name, "has other content than when it was saved");
    } catch (error) {
      const code = errorCode(error);
      if (code === undefined || !/^E[A-Z]+$/.test(code)) throw error;
      this.#add("content", entry.name, `cannot be read: ${code}`);
    } finally {
      fs.closeSync(fd);
    }
  }

  #addDifference(entry: ManifestEntry, { kind, text }: Difference): void {
    this.#add(kind, entry.name, text);
  }

  #add(kind: Mismatch["kind"], path: Buffer | undefined, text: string): void {
    this.#mismatchCount += 1;
    if (this.#mismatches.length >= MISMATCHES_LIMIT) return;
    const line = path === undefined ? text : `${printable(path)} ${text}`;
    this.#mismatches.push({ kind, path, line });
  }

  async #breathe(): Promise<void> {
    this.#tell(false);
    await this.#slice.pause();
  }

  #tell(last: boolean): void {
    const { onProgress } = this.#options;
    if (onProgress === undefined) return;
    const now = performance.now();
    if (!last && now - this.#toldAt < PROGRESS_MS) return;
    this.#toldAt = now;
    onProgress({
      entries: this.#entries,
      totalEntries: this.#meta?.totals.entries ?? this.#entries,
      bytes: this.#bytes,
      totalBytes: this.#meta?.totals.bytes ?? this.#bytes,
    });
  }
}

const NONE = Buffer.alloc(0);

function isDevice({ mode }: ManifestEntry): boolean {
  const type = mode & FILE_TYPE.MASK;
  return type === FILE_TYPE.CHARACTER_DEVICE || type === FILE_TYPE.BLOCK_DEVICE;
}

function isCorrupt(error: unknown): error is StoreError {
  return error instanceof StoreError && error.code === "ERR_STORE_CORRUPT";
}
