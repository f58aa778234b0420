import { createHash, type Hash, hash } from "node:crypto";
import * as fs from "node:fs";
import { punchHole } from "@dialhome/posix-fs";
import type { Checksum, FileHasher } from "@dialhome/rsync-protocol";

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

/** How a file is written that has content already. */
export interface WriteOver {
  /** Bytes that stay at its beginning (`--append`). */
  readonly from: number;
  /** What it has is also what blocks are copied from: those that lie where they belong are not written. */
  readonly isBasis: boolean;
}

/**
 * Writes one file after another through one buffer: literal bytes and blocks of a basis, hashed as they pass.
 * Synchronous; errors are those of `node:fs`.
 */
export class FileWriter {
  readonly #checksum: Checksum;
  readonly #hasher: FileHasher;
  /** In the memory where it is hashed; there from the first file on. */
  #buffer: Buffer = Buffer.alloc(0);
  readonly #options: FileWriterOptions;
  #digest: Hash | undefined;
  #fd = -1;
  #fill = 0;
  #position = 0;
  #endsInHole = false;
  #failure: unknown;
  /** The file has content: what is behind the end is cut off. */
  #inPlace = false;
  /** And it is also the basis: what lies where it belongs is not written. */
  #isBasis = false;
  /** Length of what was there: a hole is not made in it by leaving out zeros. */
  #oldLength = 0;

  /** @param checksum - its file hasher and its kernel are this object's alone from now on */
  constructor(checksum: Checksum, options: FileWriterOptions) {
    this.#checksum = checksum;
    this.#hasher = checksum.fileHasher();
    this.#options = options;
  }

  /** Begins a file. The descriptor stays the caller's. With −1 nothing is written, only hashed. */
  begin(fd: number, over?: WriteOver): void {
    if (this.#buffer.length === 0) {
      this.#buffer = this.#checksum.kernel.content.subarray(0, BUFFER_BYTES);
    }
    this.#fd = fd;
    this.#fill = 0;
    this.#position = over?.from ?? 0;
    this.#inPlace = over !== undefined && fd >= 0;
    this.#isBasis = this.#inPlace && over?.isBasis === true;
    this.#oldLength = this.#inPlace && this.#options.sparse ? fs.fstatSync(fd).size : 0;
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
      if (this.#fill === BUFFER_BYTES) this.#flushPart();
    }
  }

  /** Appends `length` bytes of the basis from `offset` on; false when the basis ends before. */
  copy(basisFd: number, offset: number, length: number): boolean {
    if (this.#isBasis && offset === this.length) return this.#pass(basisFd, length);
    let from = offset;
    let left = length;
    while (left > 0) {
      const room = Math.min(left, BUFFER_BYTES - this.#fill);
      const count = fs.readSync(basisFd, this.#buffer, this.#fill, room, from);
      if (count === 0) return false;
      this.#fill += count;
      from += count;
      left -= count;
      if (this.#fill === BUFFER_BYTES) this.#flushPart();
    }
    return true;
  }

  /** Hashes what stays at the beginning, as if it had been written; false when it ends before. */
  hashBefore(basisFd: number, offset: number, length: number): boolean {
    for (let at = 0; at < length; ) {
      const room = Math.min(length - at, BUFFER_BYTES);
      const count = fs.readSync(basisFd, this.#buffer, 0, room, offset + at);
      if (count === 0) return false;
      this.#hasher.update(this.#buffer.subarray(0, count));
      at += count;
    }
    return true;
  }

  /** Goes over what lies where it belongs already. */
  #pass(fd: number, length: number): boolean {
    this.#flushPart();
    for (let left = length; left > 0; ) {
      const room = Math.min(left, BUFFER_BYTES);
      const count = fs.readSync(fd, this.#buffer, 0, room, this.#position);
      if (count === 0) return false;
      const data = this.#buffer.subarray(0, count);
      this.#hasher.update(data);
      this.#digest?.update(data);
      if (this.#options.sparse && this.#failure === undefined) this.#writeSparse(data, true);
      this.#position += count;
      left -= count;
    }
    return true;
  }

  /** Writes what was gathered: no more will come, but it is to be kept. Errors are not told. */
  writeOut(): void {
    this.#flush();
    if (this.#endsInHole && this.#failure === undefined) fs.ftruncateSync(this.#fd, this.#position);
  }

  /** Writes what is left. @returns the whole-file checksum, the content digest, its length, and what writing failed with. */
  finish(): {
    checksum: Uint8Array;
    digest: Uint8Array | undefined;
    size: number;
    failure: unknown;
  } {
    const digest = this.#contentDigest();
    this.#flush();
    if ((this.#endsInHole || this.#inPlace) && this.#failure === undefined) {
      try {
        fs.ftruncateSync(this.#fd, this.#position);
      } catch (error) {
        this.#failure = error;
      }
    }
    return {
      checksum: this.#hasher.digest(),
      digest,
      size: this.#position,
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

  /** Writes what was gathered so far: it is no small file. */
  #flushPart(): void {
    if (this.#options.contentDigest && this.#fd >= 0) {
      this.#digest ??= createHash(this.#options.contentDigest);
      this.#digest.update(this.#buffer.subarray(0, this.#fill));
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
        if (this.#options.sparse) this.#writeSparse(data, false);
        else writeFully(this.#fd, data, this.#position);
      } catch (error) {
        this.#failure = error;
      }
    }
    this.#position += data.length;
  }

  /** @param isThere - it lies there already: only holes are made of its zeros */
  #writeSparse(data: Buffer, isThere: boolean): void {
    let start = 0;
    let hole = isZero(data, 0);
    for (let at = 0; at < data.length; ) {
      const end = Math.min(data.length, at + HOLE_BYTES);
      const next = end < data.length && isZero(data, end);
      if (end === data.length || next !== hole) {
        const isHole = hole && this.#makeHole(start, end);
        if (!isHole && !isThere)
          writeFully(this.#fd, data.subarray(start, end), this.#position + start);
        this.#endsInHole = hole;
        start = end;
        hole = next;
      }
      at = end;
    }
  }

  /** Makes a hole of zeros that are not written. @returns false where they must be written over what is there */
  #makeHole(start: number, end: number): boolean {
    const offset = this.#position + start;
    if (offset >= this.#oldLength) return true;
    return punchHole(this.#fd, offset, end - start);
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
