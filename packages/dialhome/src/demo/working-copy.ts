import {
  constants,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  symlinkSync,
  utimesSync,
} from "node:fs";
import { join } from "node:path";
import { setImmediate } from "node:timers/promises";

/** What was copied. */
export interface WorkingCopy {
  readonly files: readonly CopiedFile[];
  readonly directories: number;
  /** Of all files. */
  readonly bytes: number;
  /** Entries that could not be read, or are neither file nor directory nor link. */
  readonly leftOut: number;
}

/** One file, by its path below the root. */
export interface CopiedFile {
  readonly path: string;
  readonly bytes: number;
}

/** Copies a tree with its modes and times: as reflinks, where the file system has them. The source is only read. */
export async function makeWorkingCopy(
  source: string,
  target: string,
  signal: AbortSignal,
): Promise<WorkingCopy> {
  const files: CopiedFile[] = [];
  let directories = 0;
  let bytes = 0;
  let leftOut = 0;
  const copyEntry = (path: string): void => {
    const from = join(source, path);
    const to = join(target, path);
    const stats = lstatSync(from);
    if (stats.isSymbolicLink()) {
      symlinkSync(readlinkSync(from), to);
      lutimesSync(to, stats.atime, stats.mtime);
    } else if (stats.isFile()) {
      copyFileSync(from, to, constants.COPYFILE_FICLONE);
      utimesSync(to, stats.atime, stats.mtime);
      files.push({ path, bytes: stats.size });
      bytes += stats.size;
    } else {
      leftOut += 1;
    }
  };
  const copyDirectory = async (path: string): Promise<void> => {
    signal.throwIfAborted();
    mkdirSync(join(target, path), { recursive: true });
    directories += 1;
    for (const entry of readdirSync(join(source, path), { withFileTypes: true })) {
      const below = join(path, entry.name);
      try {
        if (entry.isDirectory()) await copyDirectory(below);
        else copyEntry(below);
      } catch (error) {
        signal.throwIfAborted();
        if (!isUnreadable(error)) throw error;
        leftOut += 1;
      }
    }
    const { atime, mtime } = lstatSync(join(source, path));
    utimesSync(join(target, path), atime, mtime);
    await setImmediate();
  };
  await copyDirectory(".");
  return { files, directories, bytes, leftOut };
}

function isUnreadable(error: unknown): boolean {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return code === "EACCES" || code === "EPERM" || code === "ENOENT";
}
