import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { DirectoryHandle, errorCode, isDirectory as isDirectoryStat } from "@dialhome/posix-fs";
import { EXIT, type FileList, isDirectory, RsyncError } from "@dialhome/rsync-protocol";
import type { TransferOptions } from "./pull-options.ts";

/** The directory that a pull writes to. */
export interface LocalDestination {
  readonly root: DirectoryHandle;
  /** Set when the destination names the file itself, not the directory that it goes to. */
  readonly fileName: string | undefined;
  /** The directory was made for this pull (or would be, in a dry run). */
  readonly created: boolean;
}

/**
 * Opens the destination as rsync(1) understands it: a directory, whose last component is made when it is missing; or, for
 * a single file, possibly the file's new name.
 * @throws RsyncError `ERR_RSYNC_FILE`, exit code 11 (3 when it is no directory)
 */
export function openDestination(
  destination: string | Buffer,
  first: FileList,
  options: Pick<TransferOptions, "dryRun" | "mkpath">,
): LocalDestination {
  const bytes = Buffer.isBuffer(destination) ? destination : Buffer.from(destination);
  const text = bytes.toString("latin1");
  const only = first.length === 1 ? first.at(0) : undefined;
  const single = only !== undefined && !isDirectory(only) && !text.endsWith("/");
  try {
    return existing(DirectoryHandle.open(bytes, { followLast: true }), undefined);
  } catch (error) {
    const code = errorCode(error);
    if (code !== "ENOENT" && !(code === "ENOTDIR" && single)) throw cannotOpen(text, error);
  }
  const parentPath = path.posix.dirname(text.replace(/(?<=[^/])\/+$/, ""));
  const name = path.posix.basename(text);
  try {
    if (options.mkpath) {
      if (options.dryRun && !fs.existsSync(Buffer.from(parentPath, "latin1"))) return notMade();
      if (!options.dryRun) {
        fs.mkdirSync(single ? Buffer.from(parentPath, "latin1") : bytes, { recursive: true });
        // As in rsync(1), a directory that was made this way counts as one that was there.
        if (!single) return existing(DirectoryHandle.open(bytes, { followLast: true }), undefined);
      }
    }
    const parent = DirectoryHandle.open(Buffer.from(parentPath, "latin1"), { followLast: true });
    if (single) return existing(parent, name);
    try {
      const nameBytes = Buffer.from(name, "latin1");
      // Nothing is made in a dry run: the parent stands for a directory that has nothing of the list.
      if (options.dryRun) return notMade();
      parent.mkdir(nameBytes);
      const stat = parent.lstat(nameBytes);
      if (!stat || !isDirectoryStat(stat)) throw new Error("it was replaced while it was made");
      return { root: parent.openDirectory(nameBytes), fileName: undefined, created: true };
    } finally {
      parent.close();
    }
  } catch (error) {
    throw cannotOpen(text, error);
  }
}

/** For a pull that only lists. */
export function nowhere(): LocalDestination {
  return existing(emptyDirectory(), undefined);
}

/** A directory that is missing, in a dry run. */
function notMade(): LocalDestination {
  return { root: emptyDirectory(), fileName: undefined, created: true };
}

function existing(root: DirectoryHandle, fileName: string | undefined): LocalDestination {
  return { root, fileName, created: false };
}

/** A directory that is empty and stays so: one that was removed while it was held. */
function emptyDirectory(): DirectoryHandle {
  const temporary = fs.mkdtempSync(path.join(os.tmpdir(), "dialhome-"));
  const handle = DirectoryHandle.open(temporary);
  fs.rmdirSync(temporary);
  return handle;
}

function cannotOpen(destination: string, error: unknown): RsyncError {
  const reason = error instanceof Error ? error.message : String(error);
  return new RsyncError(
    "ERR_RSYNC_FILE",
    `cannot use the destination "${destination}": ${reason}`,
    {
      exitCode: errorCode(error) === "ENOTDIR" ? EXIT.FILE_SELECT : EXIT.FILE_IO,
      path: destination,
      cause: error,
    },
  );
}
