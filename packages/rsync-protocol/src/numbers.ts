import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/** How the numbers of file lists and statistics travel; chosen once a session by {@link numbersOf}. */
export interface Numbers {
  /** The length of a text: refused when negative or over `limit`. */
  readonly readLength: (reader: ByteReader, what: string, limit: number) => number;
  readonly writeLength: (writer: ByteWriter, value: number) => void;
  /** A user or group id: 32 bits unsigned. */
  readonly readId: (reader: ByteReader) => number;
  readonly writeId: (writer: ByteWriter, id: number) => void;
  /** A size, or a number of the statistics. */
  readonly readLong: (reader: ByteReader) => number;
  readonly writeLong: (writer: ByteWriter, value: number) => void;
  /** Seconds since 1970. Below protocol 30 they are 32 bits unsigned: what is earlier than 1970 arrives as later than 2038. */
  readonly readTime: (reader: ByteReader) => number;
  readonly writeTime: (writer: ByteWriter, seconds: number) => void;
}

/** Protocol 30 and later: as many bytes as it takes. */
const COMPACT: Numbers = {
  readLength: (reader, what, limit) => reader.length(what, limit),
  writeLength: (writer, value) => writer.varint(value),
  readId: (reader) => reader.varint() >>> 0,
  writeId: (writer, id) => writer.varint(id),
  readLong: (reader) => reader.varlong(3),
  writeLong: (writer, value) => writer.varlong(value, 3),
  readTime: (reader) => reader.varlong(4),
  writeTime: (writer, seconds) => writer.varlong(seconds, 4),
};

/** Below protocol 30: 32-bit integers. */
const PLAIN: Numbers = {
  readLength: (reader, what, limit) => reader.intLength(what, limit),
  writeLength: (writer, value) => writer.int(value),
  readId: (reader) => reader.int() >>> 0,
  writeId: (writer, id) => writer.int(id),
  readLong: (reader) => reader.longint(),
  writeLong: (writer, value) => writer.longint(value),
  readTime: (reader) => reader.int() >>> 0,
  writeTime: (writer, seconds) => writer.int(seconds),
};

/** The form of numbers in a protocol. */
export function numbersOf(protocol: number): Numbers {
  return protocol >= 30 ? COMPACT : PLAIN;
}
