import { createHash } from "node:crypto";
import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { LIMITS } from "./constants.ts";
import { protocolError, RsyncError } from "./errors.ts";

/** One extended attribute as a file list tells it. */
export interface ListedXattr {
  /** Name with its namespace as on Linux (`user.x`), latin1. */
  readonly name: string;
  /** Length of the value in bytes. */
  readonly length: number;
  /** The value itself, up to {@link INLINE_BYTES}; of a longer one its MD5. */
  readonly data: Buffer;
}

/** The attributes of one entry, sorted by name. The n-th of them, from 1, is what its value is asked for by. */
export type XattrSet = readonly ListedXattr[];

/** Values up to this length travel with the list; longer ones are asked for. Bytes. */
export const INLINE_BYTES = 32;
/** Length of the digest that stands for a longer value (always MD5, never seeded). */
const DIGEST_BYTES = 16;
/** What an attribute takes in memory beside its name and data, in bytes. */
const XATTR_BYTES = 200;

/** The attribute as it goes into a list. */
export function listXattr(name: string, value: Buffer): ListedXattr {
  const data = value.length <= INLINE_BYTES ? value : createHash("md5").update(value).digest();
  return { name, length: value.length, data };
}

/** Whether a value is the one that was listed. */
export function isListedValue(listed: ListedXattr, value: Buffer): boolean {
  return value.length === listed.length && listXattr(listed.name, value).data.equals(listed.data);
}

/** True when the value did not come with the list. */
export function isLong(xattr: ListedXattr): boolean {
  return xattr.length > INLINE_BYTES;
}

/** Writes the attribute sets of a session: a set that was sent before is only named. */
export class XattrSetEncoder {
  readonly #sent = new Map<string, number>();

  write(writer: ByteWriter, set: XattrSet): void {
    const key = set
      .map(({ name, length, data }) => `${name}\0${length}\0${data.toString("latin1")}`)
      .join("\0");
    const index = this.#sent.get(key);
    if (index !== undefined) {
      writer.varint(index);
      return;
    }
    this.#sent.set(key, this.#sent.size + 1);
    writer.varint(0);
    writer.varint(set.length);
    for (const { name, length, data } of set) {
      writer.varint(name.length + 1);
      writer.varint(length);
      writer.latin1(`${name}\0`);
      writer.bytes(data);
    }
  }
}

/** Reads the attribute sets of a session. */
export class XattrSetDecoder {
  readonly #sets: XattrSet[] = [];
  #read: XattrSet | undefined;
  /** Memory of the sets so far, about; bytes. */
  heldBytes = 0;

  /** Reads within an attempt; {@link commit} keeps a set that was told in full. */
  read(reader: ByteReader): XattrSet {
    this.#read = undefined;
    const index = reader.varint();
    if (index !== 0) {
      const set = this.#sets[index - 1];
      if (!set) throw protocolError(`set of extended attributes ${index} of ${this.#sets.length}`);
      return set;
    }
    const count = reader.count("extended attributes", LIMITS.xattrs);
    const set: ListedXattr[] = [];
    for (let i = 0; i < count; i++) {
      const nameLength = reader.count("name of an extended attribute", LIMITS.xattrNameBytes);
      const length = reader.count("extended attribute", LIMITS.xattrBytes);
      const name = reader.latin1(nameLength);
      if (nameLength < 2 || name.indexOf("\0") !== nameLength - 1) {
        throw protocolError("name of an extended attribute that does not end in NUL");
      }
      const data = Buffer.from(reader.bytes(length <= INLINE_BYTES ? length : DIGEST_BYTES));
      set.push({ name: name.slice(0, -1), length, data });
    }
    this.#read = set;
    return set;
  }

  commit(): void {
    if (!this.#read) return;
    if (this.#sets.length >= LIMITS.xattrSets) {
      throw new RsyncError(
        "ERR_RSYNC_LIMIT",
        `more than ${LIMITS.xattrSets} sets of extended attributes`,
      );
    }
    for (const { name, data } of this.#read)
      this.heldBytes += XATTR_BYTES + name.length + data.length;
    this.#sets.push(this.#read);
    this.#read = undefined;
  }
}

/** A value that was asked for. */
export interface XattrValue {
  /** Its place in the set, from 1. */
  readonly number: number;
  readonly value: Buffer;
}

/** Asks for values by their places in the set, ascending. */
export function writeXattrRequest(writer: ByteWriter, numbers: readonly number[]): void {
  let previous = 0;
  for (const number of numbers) {
    writer.varint(number - previous);
    previous = number;
  }
  writer.byte(0);
}

/** @param count - attributes in the set that is asked about */
export function readXattrRequest(reader: ByteReader, count: number): number[] {
  const numbers: number[] = [];
  let number = 0;
  for (;;) {
    const step = reader.varint();
    if (step === 0) return numbers;
    number += step;
    if (step < 0 || number > count)
      throw protocolError(`request for extended attribute ${number} of ${count}`);
    numbers.push(number);
  }
}

export function writeXattrValues(writer: ByteWriter, values: readonly XattrValue[]): void {
  let previous = 0;
  for (const { number, value } of values) {
    writer.varint(number - previous);
    writer.varint(value.length);
    writer.bytes(value);
    previous = number;
  }
  writer.byte(0);
}

/**
 * Reads values within an attempt. Only what was asked for may come, in ascending order; what is missing could not be read there.
 *
 * @param asked - places in the set, ascending
 * @param limit - longest value that is taken, bytes
 */
export function readXattrValues(
  reader: ByteReader,
  asked: readonly number[],
  limit: number = LIMITS.xattrBytes,
): XattrValue[] {
  const values: XattrValue[] = [];
  let next = 0;
  let number = 0;
  for (;;) {
    const step = reader.varint();
    if (step === 0) return values;
    number += step;
    while (next < asked.length && asked[next] !== number) next++;
    if (step < 0 || next === asked.length) {
      throw protocolError(`extended attribute ${number} was sent, which was not asked for`);
    }
    next++;
    const length = reader.count("extended attribute", limit);
    values.push({ number, value: Buffer.from(reader.bytes(length)) });
  }
}
