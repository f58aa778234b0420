import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";
import { numbersOf } from "./numbers.ts";

/** What a server tells of the session at its end, seen from the server. */
export interface ServerStatistics {
  /** Bytes. */
  readonly read: number;
  /** Bytes. */
  readonly written: number;
  /** Sum of the sizes of all files, in bytes. */
  readonly totalSize: number;
  /** Milliseconds; 0 below protocol 29. */
  readonly listBuildMs: number;
  /** Milliseconds; 0 below protocol 29. */
  readonly listTransferMs: number;
}

/** The times came with protocol 29. */
const TIMES_SINCE = 29;

export function writeStatistics(
  writer: ByteWriter,
  statistics: ServerStatistics,
  protocol: number,
): void {
  const { writeLong } = numbersOf(protocol);
  writeLong(writer, statistics.read);
  writeLong(writer, statistics.written);
  writeLong(writer, statistics.totalSize);
  if (protocol < TIMES_SINCE) return;
  writeLong(writer, statistics.listBuildMs);
  writeLong(writer, statistics.listTransferMs);
}

export function readStatistics(reader: ByteReader, protocol: number): ServerStatistics {
  const { readLong } = numbersOf(protocol);
  const hasTimes = protocol >= TIMES_SINCE;
  return {
    read: readLong(reader),
    written: readLong(reader),
    totalSize: readLong(reader),
    listBuildMs: hasTimes ? readLong(reader) : 0,
    listTransferMs: hasTimes ? readLong(reader) : 0,
  };
}

/** What a receiving side deleted, by kind; told at the end from protocol 31 on. */
export interface DeleteStatistics {
  readonly files: number;
  readonly directories: number;
  readonly symlinks: number;
  readonly devices: number;
  readonly specials: number;
}

/** More than this in one count is a lie or an overflow (rsync's own bound). */
const MAX_DELETED = 1 << 28;

export function writeDeleteStatistics(writer: ByteWriter, statistics: DeleteStatistics): void {
  writer.varint(statistics.files);
  writer.varint(statistics.directories);
  writer.varint(statistics.symlinks);
  writer.varint(statistics.devices);
  writer.varint(statistics.specials);
}

export function readDeleteStatistics(reader: ByteReader): DeleteStatistics {
  return {
    files: reader.count("deleted files", MAX_DELETED),
    directories: reader.count("deleted directories", MAX_DELETED),
    symlinks: reader.count("deleted symlinks", MAX_DELETED),
    devices: reader.count("deleted devices", MAX_DELETED),
    specials: reader.count("deleted specials", MAX_DELETED),
  };
}
