import { FILE_TYPE, type FileStat } from "@dialhome/posix-fs";
import { printable } from "./errors.ts";
import { type ManifestEntry, typeWord } from "./manifest-entry.ts";

/** In what an entry can differ from its line, short of its content. */
export type DifferenceKind =
  | "type"
  | "size"
  | "mode"
  | "mtime"
  | "owner"
  | "target"
  | "device"
  | "attributes";

/** One difference; the text goes on from the path. */
export interface Difference {
  readonly kind: DifferenceKind;
  readonly text: string;
}

/** Without nanosecond times a time is set to the microsecond, or to the millisecond before 1970. */
const COARSE_NS = 1_000_000;

/** How an entry on the disk differs from its line in the manifest; nothing when it does not. */
export function compareEntry(
  entry: ManifestEntry,
  stat: FileStat,
  header: { readonly owners: boolean; readonly nanoseconds: boolean },
  readTarget: () => Buffer,
): readonly Difference[] {
  const type = entry.mode & FILE_TYPE.MASK;
  if ((stat.mode & FILE_TYPE.MASK) !== type) {
    const text = `is a ${typeWord(stat.mode) ?? "thing of unknown type"}, not a ${typeWord(entry.mode) ?? "known one"}`;
    return [{ kind: "type", text }];
  }
  const differences: Difference[] = [];
  const add = (kind: DifferenceKind, text: string): void => void differences.push({ kind, text });
  if (type === FILE_TYPE.REGULAR && stat.size !== entry.size) {
    add("size", `has ${stat.size} bytes, not ${entry.size}`);
  }
  if (type === FILE_TYPE.SYMLINK) {
    const target = readTarget();
    if (entry.linkTarget !== undefined && !target.equals(entry.linkTarget)) {
      add(
        "target",
        `points to ${printable(target, 80)}, not to ${printable(entry.linkTarget, 80)}`,
      );
    }
  } else if ((stat.mode & 0o7777) !== (entry.mode & 0o7777)) {
    add("mode", `has mode ${octal(stat.mode)}, not ${octal(entry.mode)}`);
  }
  if (differsInTime(entry, stat, header.nanoseconds)) {
    add("mtime", `has time ${timeText(stat)}, not ${timeText(entry)}`);
  }
  if (header.owners) {
    if (stat.uid !== entry.uid || stat.gid !== entry.gid) {
      add("owner", `belongs to ${stat.uid}:${stat.gid}, not to ${entry.uid}:${entry.gid}`);
    }
    const major = entry.rdevMajor ?? 0;
    const minor = entry.rdevMinor ?? 0;
    const device = type === FILE_TYPE.CHARACTER_DEVICE || type === FILE_TYPE.BLOCK_DEVICE;
    if (device && (stat.rdevMajor !== major || stat.rdevMinor !== minor)) {
      add("device", `is device ${stat.rdevMajor}:${stat.rdevMinor}, not ${major}:${minor}`);
    }
  }
  return differences;
}

function differsInTime(entry: ManifestEntry, stat: FileStat, nanoseconds: boolean): boolean {
  const seconds = stat.mtimeSec - entry.mtimeSec;
  if (nanoseconds) return seconds !== 0 || stat.mtimeNsec !== entry.mtimeNsec;
  return Math.abs(seconds * 1e9 + stat.mtimeNsec - entry.mtimeNsec) > COARSE_NS;
}

function octal(mode: number): string {
  return (mode & 0o7777).toString(8).padStart(4, "0");
}

function timeText(time: { readonly mtimeSec: number; readonly mtimeNsec: number }): string {
  return `${time.mtimeSec}.${String(time.mtimeNsec).padStart(9, "0")}`;
}
