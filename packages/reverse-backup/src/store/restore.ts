import * as fs from "node:fs";
import { type DirectoryHandle, errorCode, FILE_TYPE } from "@dialhome/posix-fs";
import { type Attribute, digestOfRead, readAttributes } from "./attributes-digest.ts";
import { MISMATCHES_LIMIT, STORE_NAMES } from "./constants.ts";
import { removeIfThere, temporaryName } from "./durable-files.ts";
import { printable, StoreError } from "./errors.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import { ManifestReader } from "./manifest-reader.ts";
import { ContentCopier } from "./restore-file.ts";
import { RestoreSelection } from "./restore-selection.ts";
import { RestoreTarget } from "./restore-target.ts";
import { TimeSlice } from "./time-slice.ts";
import { TreeCursor } from "./tree-cursor.ts";

/** What is restored, and where to. */
export interface RestoreOptions {
  /** Directory that the paths come to lie in, with all their components; its last component is made when missing. */
  readonly destination: string;
  /** Files, or directories with all below them, by their paths in the snapshot. @defaultValue everything */
  readonly paths?: readonly (string | Buffer)[];
  /** Replaces files that are there, and gives directories that are there their saved attributes. @defaultValue false */
  readonly overwrite?: boolean;
  /** Called about ten times a second at most. */
  readonly onProgress?: (progress: RestoreProgress) => void;
  /** Ends it between two files or chunks; the promise rejects with the reason, nothing half-written stays. */
  readonly signal?: AbortSignal;
}

/** How far a restore has come. */
export interface RestoreProgress {
  readonly entries: number;
  readonly totalEntries: number;
  readonly bytes: number;
  readonly totalBytes: number;
}

/** An entry that could not be restored. */
export interface RestoreFailure {
  readonly path: Buffer;
  /** One line for a person. */
  readonly line: string;
}

/** What was restored. */
export interface RestoreReport {
  /** True when everything that was asked for is there as it was saved. */
  readonly ok: boolean;
  readonly entries: number;
  readonly files: number;
  readonly bytes: number;
  /** The first ten thousand. */
  readonly failures: readonly RestoreFailure[];
  readonly failureCount: number;
}

const PROGRESS_MS = 100;

/** What ends the whole restore instead of one entry. */
const FATAL: ReadonlySet<string> = new Set(["ENOSPC", "EDQUOT", "EROFS", "EMFILE", "ENFILE"]);

/**
 * Copies entries out of a snapshot: each file under a temporary name, compared with its digest, and then renamed.
 * Throws `ERR_STORE_NOT_FOUND` for a path that the snapshot does not have and `ERR_STORE_EXISTS` for one that would
 * overwrite, both before anything is written; `ERR_STORE_CORRUPT` for a damaged manifest, `ERR_STORE_FULL`.
 */
export async function restoreSnapshot(
  snapshot: DirectoryHandle,
  options: RestoreOptions,
): Promise<RestoreReport> {
  using target = RestoreTarget.open(options.destination, options.overwrite === true);
  using data = snapshot.openDirectory(Buffer.from(STORE_NAMES.data));
  using cursor = new TreeCursor(data);
  const restore = new Restore(snapshot, cursor, target, options);
  return await restore.run();
}

/** How a destination says that it has no hard links, or no more of them. */
const NO_HARD_LINKS: ReadonlySet<string> = new Set([
  "EPERM",
  "EOPNOTSUPP",
  "ENOTSUP",
  "ENOSYS",
  "EMLINK",
]);

/** Where the first restored file of a hard link group lies, and what its content was. */
interface GroupMember {
  readonly path: Buffer;
  readonly digest: Buffer;
}

class Restore {
  readonly #snapshot: DirectoryHandle;
  readonly #source: TreeCursor;
  readonly #target: RestoreTarget;
  readonly #options: RestoreOptions;
  readonly #selection: RestoreSelection;
  readonly #slice: TimeSlice;
  readonly #copier: ContentCopier;
  readonly #failures: RestoreFailure[] = [];
  /** By the path of the group's leader, as latin1. */
  readonly #groups = new Map<string, GroupMember>();
  readonly #leaders = new Set<string>();
  #failureCount = 0;
  #entries = 0;
  #files = 0;
  #bytes = 0;
  /** They were saved by root, and so those of every namespace. */
  #allAttributes = false;
  #totalEntries = 0;
  #totalBytes = 0;
  #toldAt = 0;

  constructor(
    snapshot: DirectoryHandle,
    source: TreeCursor,
    target: RestoreTarget,
    options: RestoreOptions,
  ) {
    this.#snapshot = snapshot;
    this.#source = source;
    this.#target = target;
    this.#options = options;
    this.#selection = new RestoreSelection(options.paths);
    this.#slice = new TimeSlice(options.signal);
    this.#copier = new ContentCopier(this.#slice, (count) => this.#copied(count));
  }

  async run(): Promise<RestoreReport> {
    await this.#prepare();
    this.#target.attributesOf = (entry) => this.#attributesOf(entry);
    for await (const batch of this.#manifest().batches()) {
      for (const entry of batch) {
        const selected = this.#selection.classify(entry.name);
        if (selected === undefined) continue;
        await this.#restoreEntry(entry, selected);
        if (selected === "selected") this.#entries += 1;
        if (this.#slice.due()) await this.#breathe();
      }
    }
    this.#target.finishDirectories((entry, error) => this.#fail(entry, error));
    await this.#target.flush();
    this.#tell(true);
    return {
      ok: this.#failureCount === 0,
      entries: this.#entries,
      files: this.#files,
      bytes: this.#bytes,
      failures: this.#failures,
      failureCount: this.#failureCount,
    };
  }

  #manifest(): ManifestReader {
    return new ManifestReader(this.#snapshot, STORE_NAMES.manifest);
  }

  /** Looks at everything first: what is wrong with the request is said before a file is written. */
  async #prepare(): Promise<void> {
    const occupied = !this.#target.isEmpty;
    using look = this.#target.look();
    const manifest = this.#manifest();
    for await (const batch of manifest.batches()) {
      this.#allAttributes = manifest.header.owners;
      for (const entry of batch) {
        const selected = this.#selection.classify(entry.name);
        if (selected === undefined) continue;
        if (occupied) this.#target.assertFree(entry, look);
        if (entry.hardLinkTo !== undefined) this.#leaders.add(entry.hardLinkTo.toString("latin1"));
        if (selected === "selected") {
          this.#totalEntries += 1;
          if (entry.hardLinkTo === undefined && isFile(entry)) this.#totalBytes += entry.size;
        }
        if (this.#slice.due()) await this.#slice.pause();
      }
    }
    this.#selection.assertFound();
  }

  /** What the store's copy has, if that is what was saved. What only root may set is left out for others. */
  #attributesOf(entry: ManifestEntry): readonly Attribute[] {
    if (entry.attributes === undefined) return [];
    const isRoot = process.geteuid?.() === 0;
    const attributes = readAttributes(this.#source.attributes(entry.name), this.#allAttributes);
    if ((isRoot || !this.#allAttributes) && !digestOfRead(attributes).equals(entry.attributes)) {
      throw new WrongContent("its attributes in the store are not what was saved");
    }
    return isRoot ? attributes : attributes.filter(({ name }) => /^(?:user|system)\./.test(name));
  }

  async #restoreEntry(entry: ManifestEntry, selected: "selected" | "ancestor"): Promise<void> {
    try {
      switch (entry.mode & FILE_TYPE.MASK) {
        case FILE_TYPE.DIRECTORY:
          this.#target.makeDirectory(entry, selected === "selected");
          break;
        case FILE_TYPE.REGULAR:
          await this.#restoreFile(entry);
          this.#files += 1;
          break;
        default:
          this.#restoreSpecial(entry);
      }
    } catch (error) {
      this.#fail(entry, error);
    }
  }

  async #restoreFile(entry: ManifestEntry): Promise<void> {
    const leader = (entry.hardLinkTo ?? entry.name).toString("latin1");
    const member = this.#groups.get(leader);
    if (member === undefined) {
      const digest = await this.#copyFile(entry);
      if (this.#leaders.has(leader)) this.#groups.set(leader, { path: entry.name, digest });
      return;
    }
    if (entry.digest !== undefined) assertDigest(member.digest, entry.digest);
    try {
      this.#linkTo(member.path, entry);
    } catch (error) {
      if (!NO_HARD_LINKS.has(errorCode(error) ?? "")) throw error;
      await this.#copyFile(entry);
    }
  }

  async #copyFile(entry: ManifestEntry): Promise<Buffer> {
    const source = this.#source.locate(entry.name);
    const { directory, name } = this.#target.locate(entry.name);
    const temporary = temporaryName("restore");
    try {
      const { fd, digest, size } = await this.#copier.copy(source, directory, temporary);
      try {
        if (entry.digest !== undefined) assertDigest(digest, entry.digest);
        else if (size !== entry.size) throw new WrongContent();
        this.#target.setAttributesOfFd(fd, entry);
      } finally {
        fs.closeSync(fd);
      }
      this.#target.settle(directory, temporary, name, entry.name);
      return digest;
    } catch (error) {
      removeIfThere(directory, temporary);
      throw error;
    }
  }

  #linkTo(path: Buffer, entry: ManifestEntry): void {
    const from = this.#target.locateMade(path);
    const { directory, name } = this.#target.locate(entry.name);
    const temporary = temporaryName("restore");
    try {
      directory.link(from.directory, from.name, temporary);
      this.#target.settle(directory, temporary, name, entry.name);
    } finally {
      // Also there after a rename onto another name of the same file, which does nothing.
      removeIfThere(directory, temporary);
    }
  }

  #restoreSpecial(entry: ManifestEntry): void {
    const { directory, name } = this.#target.locate(entry.name);
    const temporary = temporaryName("restore");
    try {
      if ((entry.mode & FILE_TYPE.MASK) === FILE_TYPE.SYMLINK) {
        directory.symlink(this.#targetOf(entry), temporary);
      } else {
        const permissions = entry.mode & 0o777;
        const mode = (entry.mode & FILE_TYPE.MASK) | permissions;
        directory.mknod(temporary, mode, entry.rdevMajor ?? 0, entry.rdevMinor ?? 0);
      }
      this.#target.setAttributes(directory, temporary, entry);
      this.#target.settle(directory, temporary, name, entry.name);
    } catch (error) {
      removeIfThere(directory, temporary);
      throw error;
    }
  }

  #targetOf(entry: ManifestEntry): Buffer {
    if (entry.linkTarget !== undefined) return entry.linkTarget;
    const { directory, name } = this.#source.locate(entry.name);
    return directory.readlink(name);
  }

  /** Notes a failure; what concerns more than this entry is thrown on. */
  #fail(entry: ManifestEntry, error: unknown): void {
    this.#options.signal?.throwIfAborted();
    const code = errorCode(error);
    if (code === undefined && !(error instanceof WrongContent)) throw error;
    if (code !== undefined && FATAL.has(code)) throw error;
    if (error instanceof StoreError && error.code === "ERR_STORE_EXISTS") throw error;
    this.#failureCount += 1;
    if (this.#failures.length >= MISMATCHES_LIMIT) return;
    const why = error instanceof Error ? error.message : String(error);
    const line = `${printable(entry.name)} was not restored: ${printable(why)}`;
    this.#failures.push({ path: entry.name, line });
  }

  #copied(count: number): void {
    this.#bytes += count;
    this.#tell(false);
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
      totalEntries: this.#totalEntries,
      bytes: this.#bytes,
      totalBytes: this.#totalBytes,
    });
  }
}

/** The store's copy is not what the manifest says. */
class WrongContent extends Error {
  constructor(what = "its content in the store is not what was saved") {
    super(what);
    this.name = "WrongContent";
  }
}

function assertDigest(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) !== 0) throw new WrongContent();
}

function isFile(entry: ManifestEntry): boolean {
  return (entry.mode & FILE_TYPE.MASK) === FILE_TYPE.REGULAR;
}
