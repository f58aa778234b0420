/** A published snapshot's directory name: `2026-11-23T031500Z.000042`, host's UTC time of its start and its number. */
const ID_PATTERN = /^(\d{4})-(\d{2})-(\d{2})T(\d{2})(\d{2})(\d{2})Z\.(\d{6,9})$/;
const PARTIAL_PATTERN = /^\.partial\.(\d{6,9})$/;

/** What a snapshot's id tells. */
export interface SnapshotId {
  readonly id: string;
  readonly startedAt: Date;
  /** Counts a machine's pulls from 1. */
  readonly sequence: number;
}

/** Milliseconds are cut off: ids tell whole seconds. */
export function formatSnapshotId(startedAt: Date, sequence: number): string {
  const time = startedAt
    .toISOString()
    .replace(/\.\d{3}Z$/, "Z")
    .replaceAll(":", "");
  return `${time}.${formatSequence(sequence)}`;
}

/** Undefined for any other name. */
export function parseSnapshotId(name: string): SnapshotId | undefined {
  const match = ID_PATTERN.exec(name);
  if (match === null) return undefined;
  const [, year, month, day, hour, minute, second, sequence] = match;
  const startedAt = new Date(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`);
  if (Number.isNaN(startedAt.getTime())) return undefined;
  return { id: name, startedAt, sequence: Number(sequence) };
}

/** Name of the directory of a pull that is not finished. */
export function formatPartialName(sequence: number): string {
  return `.partial.${formatSequence(sequence)}`;
}

/** The number in {@link formatPartialName}'s name; undefined for any other name. */
export function parsePartialName(name: string): number | undefined {
  const match = PARTIAL_PATTERN.exec(name);
  return match === null ? undefined : Number(match[1]);
}

function formatSequence(sequence: number): string {
  return String(sequence).padStart(6, "0");
}
