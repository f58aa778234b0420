import { type DirectoryHandle, FILE_TYPE } from "@dialhome/posix-fs";
import { STORE_NAMES } from "./constants.ts";
import { type DigestLine, DigestLineScanner } from "./digest-lines.ts";
import type { ManifestEntry } from "./manifest-entry.ts";
import { ManifestReader } from "./manifest-reader.ts";
import { PathTable } from "./path-table.ts";
import { TimeSlice } from "./time-slice.ts";

const DIGEST_BYTES = 32;
/** The value of a hexadecimal digit by its character, as manifests have them; 16 for any other. */
const NIBBLES = Uint8Array.from({ length: 256 }, (_, character) => {
  const value = "0123456789abcdef".indexOf(String.fromCharCode(character));
  return value < 0 ? 16 : value;
});
/** Lines of a chunk of the manifest, about, for the clock. */
const STEPS_OF_BATCH = 1000;

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
  readonly #scanned = new Uint8Array(DIGEST_BYTES);
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
    const scanner = new DigestLineScanner();
    const take = (bytes: Buffer, start: number, end: number): boolean =>
      scanner.scan(bytes, start, end) && this.#addLine(bytes, scanner.line);
    for await (const batch of new ManifestReader(snapshot, STORE_NAMES.manifest).batches(take)) {
      for (const entry of batch) this.add(entry);
      if (slice.due(STEPS_OF_BATCH)) await slice.pause();
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
    this.#digests.set(entry.digest, this.#append(entry.name, entry) * DIGEST_BYTES);
  }

  /** @returns false when the digest is none; nothing is added then */
  #addLine(bytes: Buffer, line: DigestLine): boolean {
    const digest = this.#scanned;
    for (let i = 0, at = line.digestStart; i < DIGEST_BYTES; i++, at += 2) {
      const high = NIBBLES[bytes[at] ?? 0] ?? 16;
      const low = NIBBLES[bytes[at + 1] ?? 0] ?? 16;
      if (high > 15 || low > 15) return false;
      digest[i] = (high << 4) | low;
    }
    const number = this.#append(bytes.subarray(line.nameStart, line.nameEnd), line);
    this.#digests.set(digest, number * DIGEST_BYTES);
    return true;
  }

  #append(
    name: Uint8Array,
    { size, mtimeSec, mtimeNsec }: Pick<ManifestEntry, "size" | "mtimeSec" | "mtimeNsec">,
  ): number {
    const number = this.#paths.append(name);
    if (number >= this.#sizes.length) this.#grow();
    this.#sizes[number] = size;
    this.#times[number] = mtimeSec;
    this.#nanoseconds[number] = mtimeNsec;
    return number;
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
