import { type DirectoryHandle, FILE_TYPE } from "@dialhome/posix-fs";
import { STORE_NAMES } from "./constants.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import { ManifestReader } from "./manifest-reader.ts";
import { PathTable } from "./path-table.ts";
import { TimeSlice } from "./time-slice.ts";

const DIGEST_BYTES = 32;

/**
 * The digests of an earlier snapshot's files by path, for files that are taken over from it. Some 65 bytes
 * a file besides its path, all outside of the JavaScript heap. Files are looked up in nearly the order in which they were
 * recorded, so the next one is tried first.
 */
export class DigestTable {
  #paths: PathTable;
  #digests: Buffer;
  #sizes: Float64Array;
  #times: Float64Array;
  #nanoseconds: Uint32Array;
  /** The number behind the one that was found last. */
  #next = 0;

  constructor(expected = 1024) {
    const entries = Math.max(expected, 16);
    this.#paths = new PathTable(entries);
    this.#digests = Buffer.allocUnsafeSlow(entries * DIGEST_BYTES);
    this.#sizes = new Float64Array(entries);
    this.#times = new Float64Array(entries);
    this.#nanoseconds = new Uint32Array(entries);
  }

  /** Adds what a snapshot's manifest has. Throws what {@link ManifestReader} throws, and the signal's reason. */
  async load(snapshot: DirectoryHandle, signal?: AbortSignal): Promise<void> {
    const slice = new TimeSlice(signal);
    for await (const batch of new ManifestReader(snapshot, STORE_NAMES.manifest).batches()) {
      for (const entry of batch) this.add(entry);
      if (slice.due(batch.length)) await slice.pause();
    }
  }

  /** Forgets all. */
  clear(): void {
    this.#paths = new PathTable();
    this.#next = 0;
  }

  get size(): number {
    return this.#paths.size;
  }

  /** Keeps a regular file's digest; other entries are passed over. No path comes twice. */
  add(entry: ManifestEntry): void {
    if (entry.digest === undefined || (entry.mode & FILE_TYPE.MASK) !== FILE_TYPE.REGULAR) return;
    const number = this.#paths.append(entry.name);
    if (number >= this.#sizes.length) this.#grow();
    this.#digests.set(entry.digest, number * DIGEST_BYTES);
    this.#sizes[number] = entry.size;
    this.#times[number] = entry.mtimeSec;
    this.#nanoseconds[number] = entry.mtimeNsec;
  }

  /** The digest of the file that had this path, size and time; undefined when there was none. */
  find(entry: ManifestEntry): Buffer | undefined {
    const { name } = entry;
    const number = this.#paths.is(this.#next, name) ? this.#next : this.#paths.find(name);
    if (number < 0) return undefined;
    this.#next = number + 1;
    if (
      this.#sizes[number] !== entry.size ||
      this.#times[number] !== entry.mtimeSec ||
      this.#nanoseconds[number] !== entry.mtimeNsec
    ) {
      return undefined;
    }
    return this.#digests.subarray(number * DIGEST_BYTES, (number + 1) * DIGEST_BYTES);
  }

  #grow(): void {
    const entries = Math.ceil(this.#sizes.length * 1.5);
    const digests = Buffer.allocUnsafeSlow(entries * DIGEST_BYTES);
    this.#digests.copy(digests);
    this.#digests = digests;
    const sizes = new Float64Array(entries);
    sizes.set(this.#sizes);
    this.#sizes = sizes;
    const times = new Float64Array(entries);
    times.set(this.#times);
    this.#times = times;
    const nanoseconds = new Uint32Array(entries);
    nanoseconds.set(this.#nanoseconds);
    this.#nanoseconds = nanoseconds;
  }
}
