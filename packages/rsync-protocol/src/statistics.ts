import type { ByteReader } from "./byte-reader.ts";
import type { ByteWriter } from "./byte-writer.ts";

/** What a server tells of the session at its end, seen from the server. */
export interface ServerStatistics {
  /** Bytes. */
  readonly read: number;
  /** Bytes. */
  readonly written: number;
  /** Sum of the sizes of all files, in bytes. */
  readonly totalSize: number;
  /** Milliseconds. */
  readonly listBuildMs: number;
  /** Milliseconds. */
  readonly listTransferMs: number;
}

export function writeStatistics(writer: ByteWriter, statistics: ServerStatistics): void {
  writer.varlong(statistics.read, 3);
  writer.varlong(statistics.written, 3);
  writer.varlong(statistics.totalSize, 3);
  writer.varlong(statistics.listBuildMs, 3);
  writer.varlong(statistics.listTransferMs, 3);
}

export function readStatistics(reader: ByteReader): ServerStatistics {
  return {
    read: reader.varlong(3),
    written: reader.varlong(3),
    totalSize: reader.varlong(3),
    listBuildMs: reader.varlong(3),
    listTransferMs: reader.varlong(3),
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
