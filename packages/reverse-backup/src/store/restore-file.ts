import { createHash } from "node:crypto";
import * as fs from "node:fs";
import { type DirectoryHandle, errorCode } from "@dialhome/posix-fs";
import { COPY_CHUNK_BYTES } from "./constants.ts";
import { writeFully } from "./durable-files.ts";
import type { TimeSlice } from "./time-slice.ts";
import type { Located } from "./tree-cursor.ts";

const { COPYFILE_EXCL, COPYFILE_FICLONE_FORCE, O_CREAT, O_EXCL, O_RDWR } = fs.constants;

/** How reflink says that the file system, or this pair of them, has none. */
const NO_REFLINK: ReadonlySet<string> = new Set([
  "ENOTSUP",
  "EOPNOTSUPP",
  "EXDEV",
  "EINVAL",
  "ENOSYS",
  "ENOTTY",
]);

/** A hole shorter than this is not worth a seek. */
const HOLE_BYTES = 64 * 1024;
const ZEROS = Buffer.alloc(HOLE_BYTES);

/** Copies content out of a store: by reflink where the file system can, else by reading and writing. Never by a hard link. */
export class ContentCopier {
  readonly #slice: TimeSlice;
  readonly #onBytes: (count: number) => void;
  readonly #chunk = Buffer.allocUnsafeSlow(COPY_CHUNK_BYTES);
  #reflinks = true;

  /** `onBytes` hears of each chunk. */
  constructor(slice: TimeSlice, onBytes: (count: number) => void) {
    this.#slice = slice;
    this.#onBytes = onBytes;
  }

  /** Makes `target`, which must not exist, a copy of `source`. Gives its descriptor, open for writing, and the SHA-256 of what was read. */
  async copy(
    source: Located,
    directory: DirectoryHandle,
    target: Buffer,
  ): Promise<{ readonly fd: number; readonly digest: Buffer; readonly size: number }> {
    const from = source.directory.openFile(source.name);
    try {
      const cloned = this.#clone(from, directory, target);
      const flags = cloned ? O_RDWR : O_RDWR | O_CREAT | O_EXCL;
      const fd = directory.openFile(target, flags, 0o600);
      try {
        return { fd, ...(await this.#transfer(from, cloned ? undefined : fd)) };
      } catch (error) {
        fs.closeSync(fd);
        throw error;
      }
    } finally {
      fs.closeSync(from);
    }
  }

  #clone(from: number, directory: DirectoryHandle, target: Buffer): boolean {
    if (!this.#reflinks) return false;
    try {
      const flags = COPYFILE_EXCL | COPYFILE_FICLONE_FORCE;
      fs.copyFileSync(`/proc/self/fd/${from}`, directory.at(target), flags);
      return true;
    } catch (error) {
      if (!NO_REFLINK.has(errorCode(error) ?? "")) throw error;
      this.#reflinks = false;
      return false;
    }
  }

  /** Hashes a file, and writes it to `to` when given: runs of zeros in a file with holes become holes again. */
  async #transfer(
    from: number,
    to: number | undefined,
  ): Promise<{ readonly digest: Buffer; readonly size: number }> {
    const hash = createHash("sha256");
    const stat = fs.fstatSync(from);
    const sparse = stat.blocks * 512 < stat.size;
    let size = 0;
    for (;;) {
      const count = fs.readSync(from, this.#chunk, 0, this.#chunk.length, size);
      if (count === 0) break;
      const bytes = this.#chunk.subarray(0, count);
      hash.update(bytes);
      if (to !== undefined) {
        if (sparse) writeWithHoles(to, bytes, size);
        else writeFully(to, bytes);
      }
      size += count;
      this.#onBytes(count);
      if (this.#slice.due(Math.ceil(count / 4096))) await this.#slice.pause();
    }
    if (to !== undefined && sparse) fs.ftruncateSync(to, size);
    return { digest: hash.digest(), size };
  }
}

function writeWithHoles(fd: number, bytes: Buffer, position: number): void {
  for (let start = 0; start < bytes.length; start += HOLE_BYTES) {
    const part = bytes.subarray(start, start + HOLE_BYTES);
    if (part.equals(ZEROS.subarray(0, part.length))) continue;
    let offset = 0;
    while (offset < part.length) {
      offset += fs.writeSync(fd, part, offset, part.length - offset, position + start + offset);
    }
  }
}
