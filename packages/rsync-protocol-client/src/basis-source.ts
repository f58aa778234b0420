import * as fs from "node:fs";

/** A stored file that is read at random, as the basis of a delta. */
export interface BasisReader {
  /** Up to `length` bytes from `position` on, at least one; none at the end of the file. */
  read(position: number, length: number): Uint8Array | Promise<Uint8Array>;
  close?(): void | Promise<void>;
}

/** Where a basis is read: the descriptor of a local file, or what another store gives. */
export type BasisSource = number | BasisReader;

/** Reads what comes next into `buffer`. @returns how much; 0 at the end; a promise only where it is no local file */
export function readNext(
  source: BasisSource,
  buffer: Buffer,
  position: number,
): number | Promise<number> {
  if (typeof source === "number") return fs.readSync(source, buffer, 0, buffer.length, position);
  return readPiece(source, buffer, 0, buffer.length, position);
}

/** Fills the beginning of `buffer`. Throws when the basis ends before; a promise only where it is no local file. */
export function readBasis(
  source: BasisSource,
  buffer: Buffer,
  length: number,
  position: number,
): Promise<void> | undefined {
  if (typeof source !== "number") return readStored(source, buffer, length, position);
  for (let at = 0; at < length; ) {
    const count = fs.readSync(source, buffer, at, length - at, position + at);
    if (count === 0) throw endedAt(position + at);
    at += count;
  }
  return undefined;
}

export async function closeSource(source: BasisSource): Promise<void> {
  if (typeof source === "number") fs.closeSync(source);
  else await source.close?.();
}

async function readStored(
  source: BasisReader,
  buffer: Buffer,
  length: number,
  position: number,
): Promise<void> {
  for (let at = 0; at < length; ) {
    const count = await readPiece(source, buffer, at, length - at, position + at);
    if (count === 0) throw endedAt(position + at);
    at += count;
  }
}

async function readPiece(
  source: BasisReader,
  buffer: Buffer,
  at: number,
  length: number,
  position: number,
): Promise<number> {
  const data = await source.read(position, length);
  if (data.length > length) {
    throw new Error(`the store gave ${data.length} bytes where ${length} were asked for`);
  }
  buffer.set(data, at);
  return data.length;
}

function endedAt(position: number): Error {
  return new Error(`the file ended after ${position} bytes`);
}
