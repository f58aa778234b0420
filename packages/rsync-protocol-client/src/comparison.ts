import type { FileStat } from "@dialhome/posix-fs";
import {
  type FileEntry,
  ITEM,
  isDirectory,
  isRegularFile,
  isSymlink,
  MODE,
} from "@dialhome/rsync-protocol";
import type { TransferOptions } from "./pull-options.ts";

/** Execute permissions. */
export const EXECUTABLE = 0o111;

/** What of something that is here is compared with an entry. */
export type Compared = Pick<FileStat, "mode" | "size" | "mtimeSec" | "mtimeNsec">;

/** rsync's quick check, and what else is compared without knowing where things lie. */
export class Comparison {
  readonly #options: TransferOptions;
  readonly #window: number;

  constructor(options: TransferOptions) {
    this.#options = options;
    this.#window = options.modifyWindow ?? 0;
  }

  /** `-u`: whether what is here is newer. */
  isNewer(entry: FileEntry, stat: Compared): boolean {
    return entry.mtime - stat.mtimeSec < Math.max(0, this.#window);
  }

  /** Whether the times count as equal, by `--modify-window`. A sender that tells whole seconds means those. */
  sameTime(entry: FileEntry, stat: Compared): boolean {
    if (this.#window > 0) return Math.abs(entry.mtime - stat.mtimeSec) <= this.#window;
    if (this.#window === 0) return entry.mtime === stat.mtimeSec;
    return isSameInstant(entry, stat);
  }

  /** The quick check: whether size and time say that the content is the same. */
  isUpToDate(entry: FileEntry, stat: Compared): boolean {
    if (stat.size !== entry.size) return false;
    if (this.#options.sizeOnly) return true;
    return !this.#options.ignoreTimes && this.sameTime(entry, stat);
  }

  /** `ITEM` bits for times and permissions that differ. */
  differences(entry: FileEntry, stat: Compared): number {
    let bits = 0;
    if (this.keepsTime(entry) && !this.sameTime(entry, stat)) bits |= ITEM.REPORT_TIME;
    if (!isSymlink(entry) && this.#modeDiffers(entry, stat)) bits |= ITEM.REPORT_PERMS;
    return bits;
  }

  /** Whether an entry gets the sender's time. */
  keepsTime(entry: FileEntry): boolean {
    const { times, omitDirTimes, omitLinkTimes } = this.#options;
    if (!times) return false;
    if (omitDirTimes && isDirectory(entry)) return false;
    return !(omitLinkTimes && isSymlink(entry));
  }

  /**
   * Whether an entry has to be given the sender's time: as in rsync(1) to the nanosecond where content was compared (`-c`).
   * @param stat - undefined when it was made, written or worked in just now, so that its time is surely another
   */
  correctsTime(entry: FileEntry, stat: Compared | undefined): boolean {
    if (!this.keepsTime(entry)) return false;
    if (stat === undefined) return true;
    if (this.#options.checksum && isRegularFile(entry)) return !isSameInstant(entry, stat);
    return !this.sameTime(entry, stat);
  }

  #modeDiffers(entry: FileEntry, stat: Compared): boolean {
    const { perms, executability } = this.#options;
    if (perms) return (entry.mode & MODE.PERMISSIONS) !== (stat.mode & MODE.PERMISSIONS);
    return executability === true && isExecutable(entry) !== isExecutable(stat);
  }
}

function isSameInstant(entry: FileEntry, stat: Compared): boolean {
  return entry.mtime === stat.mtimeSec && entry.mtimeNsec === stat.mtimeNsec;
}

export function isExecutable({ mode }: { readonly mode: number }): boolean {
  return (mode & EXECUTABLE) !== 0;
}
