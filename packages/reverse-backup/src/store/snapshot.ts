import type { CatalogRecord } from "./catalog.ts";
import type { ManifestTotals } from "./manifest-frame.ts";
import type { SnapshotId } from "./snapshot-id.ts";

/** One published snapshot. */
export interface Snapshot {
  readonly keyId: string;
  /** The machine's name when it was pulled. */
  readonly name: string;
  /** Directory name, `2026-11-23T031500Z.000042`. */
  readonly id: string;
  readonly sequence: number;
  /** By the host's clock; later than that of the snapshot before. */
  readonly startedAt: Date;
  readonly finishedAt: Date | undefined;
  /**
   * `complete`: all was pulled. `partial`: complete but for files that could not be read (23) or vanished (24).
   * `damaged`: its `meta.json` does not read.
   */
  readonly status: "complete" | "partial" | "damaged";
  readonly exitCode: 0 | 23 | 24 | undefined;
  /** How many warnings the pull gave. */
  readonly warnings: number;
  readonly totals: ManifestTotals;
  /** Its directory; its tree is {@link dataPath}. */
  readonly path: string;
  readonly dataPath: string;
}

const NOTHING: ManifestTotals = {
  entries: 0,
  files: 0,
  directories: 0,
  symlinks: 0,
  specials: 0,
  bytes: 0,
  newFiles: 0,
  newBytes: 0,
};

/** A snapshot as the catalogue tells it. */
export function snapshotOf(
  record: CatalogRecord,
  { startedAt, sequence }: SnapshotId,
  path: string,
): Snapshot {
  return {
    keyId: record.keyId,
    name: record.name,
    id: record.id,
    sequence,
    startedAt,
    finishedAt: new Date(record.finishedAt),
    status: record.exitCode === 0 ? "complete" : "partial",
    exitCode: record.exitCode,
    warnings: record.warnings,
    totals: record.totals,
    path,
    dataPath: `${path}/data`,
  };
}

/** A snapshot of which only the directory's name is known. */
export function damagedSnapshot(
  keyId: string,
  name: string,
  { id, startedAt, sequence }: SnapshotId,
  path: string,
): Snapshot {
  return {
    keyId,
    name,
    id,
    sequence,
    startedAt,
    finishedAt: undefined,
    status: "damaged",
    exitCode: undefined,
    warnings: 0,
    totals: NOTHING,
    path,
    dataPath: `${path}/data`,
  };
}
