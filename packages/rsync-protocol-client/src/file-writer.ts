import { createHash, type Hash, hash } from "node:crypto";
import * as fs from "node:fs";
import type { FileHasher } from "@dialhome/rsync-protocol";

/** Bytes gathered before they are hashed and written together. */
const BUFFER_BYTES = 256 * 1024;
/** Zeros are looked for in pieces of this size, aligned to the file. */
const HOLE_BYTES = 4096;

const ZEROS = Buffer.alloc(HOLE_BYTES);

export interface FileWriterOptions {
  /** Leave out runs of zeros. */
  readonly sparse: boolean;
  /** Also compute this digest of the content. */
  readonly contentDigest: "sha256" | undefined;
}

/**
 * Writes one file after another through one buffer: literal bytes and blocks of a basis, hashed as they pass.
 * Synchronous; errors are those of `node:fs`.
 */
export class FileWriter {
  readonly #buffer = Buffer.allocUnsafeSlow(BUFFER_BYTES);
  readonly #hasher: FileHasher;
  readonly #options: FileWriterOptions;
  #digest: Hash | undefined;
  #fd = -1;
  #fill = 0;
  #position = 0;
  #endsInHole = false;
  #failure: unknown;

  constructor(hasher: FileHasher, options: FileWriterOptions) {
    this.#hasher = hasher;
    this.#options = options;
  }

  /** Begins a file. The descriptor stays the caller's. With −1 nothing is written, only hashed. */
  begin(fd: number): void {
    this.#fd = fd;
    this.#fill = 0;
    this.#position = 0;
    this.#endsInHole = false;
    this.#failure = undefined;
    this.#hasher.reset();
    this.#digest = undefined;
  }

  /** Appends bytes from the wire. */
  write(data: Buffer): void {
    let at = 0;
    while (at < data.length) {
      const count = Math.min(data.length - at, BUFFER_BYTES - this.#fill);
      data.copy(this.#buffer, this.#fill, at, at + count);
      this.#fill += count;
      at += count;
      if (this.#fill === BUFFER_BYTES) this.#flushFull();
    }
  }

  /** Appends `length` bytes of the basis from `offset` on; false when the basis ends before. */
  copy(basisFd: number, offset: number, length: number): boolean {
    let from = offset;
    let left = length;
    while (left > 0) {
      const room = Math.min(left, BUFFER_BYTES - this.#fill);
      const count = fs.readSync(basisFd, this.#buffer, this.#fill, room, from);
      if (count === 0) return false;
      this.#fill += count;
      from += count;
      left -= count;
      if (this.#fill === BUFFER_BYTES) this.#flushFull();
    }
    return true;
  }

  /** Writes what is left. @returns the whole-file checksum, the content digest, and what writing failed with. */
  finish(): { checksum: Uint8Array; digest: Uint8Array | undefined; failure: unknown } {
    const digest = this.#contentDigest();
    this.#flush();
    if (this.#endsInHole && this.#failure === undefined) {
      try {
        fs.ftruncateSync(this.#fd, this.#position);
      } catch (error) {
        this.#failure = error;
      }
    }
    return {
      checksum: this.#hasher.digest(),
      digest,
      failure: this.#failure,
    };
  }

  /** What writing failed with so far. */
  get failure(): unknown {
    return this.#failure;
  }

  /** Length so far, in bytes. */
  get length(): number {
    return this.#position + this.#fill;
  }

  /** Of what was written and what still waits in the buffer. A small file lies there whole, and needs no state. */
  #contentDigest(): Uint8Array | undefined {
    const { contentDigest } = this.#options;
    if (!contentDigest || this.#fd < 0) return undefined;
    const rest = this.#buffer.subarray(0, this.#fill);
    if (this.#digest) return this.#digest.update(rest).digest();
    return hash(contentDigest, rest, "buffer");
  }

  /** Writes a full buffer: what follows is no small file. */
  #flushFull(): void {
    if (this.#options.contentDigest && this.#fd >= 0) {
      this.#digest ??= createHash(this.#options.contentDigest);
      this.#digest.update(this.#buffer);
    }
    this.#flush();
  }

  #flush(): void {
    const data = this.#buffer.subarray(0, this.#fill);
    this.#fill = 0;
    if (data.length === 0) return;
    this.#hasher.update(data);
    // After a failure the rest is only read, so that the session stays in step.
    if (this.#fd >= 0 && this.#failure === undefined) {
      try {
        if (this.#options.sparse) this.#writeSparse(data);
        else writeFully(this.#fd, data, this.#position);
      } catch (error) {
        this.#failure = error;
      }
    }
    this.#position += data.length;
  }

  #writeSparse(data: Buffer): void {
    let start = 0;
    let hole = isZero(data, 0);
    for (let at = 0; at < data.length; ) {
      const end = Math.min(data.length, at + HOLE_BYTES);
      const next = end < data.length && isZero(data, end);
      if (end === data.length || next !== hole) {
        if (!hole) writeFully(this.#fd, data.subarray(start, end), this.#position + start);
        this.#endsInHole = hole;
        start = end;
        hole = next;
      }
      at = end;
    }
  }
}

/** Whether the piece of {@link HOLE_BYTES} that begins at `at` has only zeros. */
function isZero(data: Buffer, at: number): boolean {
  const length = Math.min(HOLE_BYTES, data.length - at);
  return data.compare(ZEROS, 0, length, at, at + length) === 0;
}

function writeFully(fd: number, data: Buffer, position: number): void {
  for (let at = 0; at < data.length; )
    at += fs.writeSync(fd, data, at, data.length - at, position + at);
}
