import type { CompressionName, ServerStatistics } from "@dialhome/rsync-protocol";

/** Counts by kind. */
export interface KindCounts {
  files: number;
  directories: number;
  symlinks: number;
  devices: number;
  specials: number;
}

/** What a pull did: the numbers of `rsync --stats`. */
export interface PullSummary {
  /** rsync(1)'s exit code: 0, 23 (something could not be transferred), 24 (something vanished). */
  readonly exitCode: number;
  readonly protocol: number;
  readonly checksum: string;
  /** What file data was compressed with. */
  readonly compression: CompressionName;
  /** Entries in the list. */
  readonly listed: Readonly<KindCounts>;
  /** Entries that were not there before. */
  readonly created: Readonly<KindCounts>;
  readonly deleted: Readonly<KindCounts>;
  /** How often the content of a file came: as in rsync(1), what came wrong and was asked for again counts twice. */
  readonly transferredFiles: number;
  /** Sum of the sizes of all listed files and links, in bytes. */
  readonly totalBytes: number;
  /** Sum of the sizes of transferred files, each as often as it counts, in bytes. */
  readonly transferredBytes: number;
  /** File content that came over the wire, in bytes. */
  readonly literalBytes: number;
  /** File content that was taken from what was here, in bytes. */
  readonly matchedBytes: number;
  /** Bytes that the lists had on the wire. */
  readonly listBytes: number;
  /** Of the stream. */
  readonly bytesSent: number;
  readonly bytesReceived: number;
  /** What the sender said at its end; undefined when it ended without a word. */
  readonly server: ServerStatistics | undefined;
  /** The first problems, one line each. */
  readonly problems: readonly string[];
}
