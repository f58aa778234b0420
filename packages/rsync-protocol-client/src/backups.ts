import * as fs from "node:fs";
import {
  DirectoryHandle,
  errorCode,
  type FileStat,
  fileStatOf,
  isDirectory,
  isRegularFile,
} from "@dialhome/posix-fs";
import { baseNameOf, directoryOf, RsyncError } from "@dialhome/rsync-protocol";
import { copyContent } from "./copy-content.ts";
import { DestinationTree, nameBytes } from "./destination-tree.ts";
import { leadsOut, makeOpenDirectory } from "./made-directory.ts";
import type { PullOptions } from "./pull-options.ts";

const COPY_BYTES = 256 * 1024;
const { O_WRONLY, O_CREAT, O_EXCL } = fs.constants;

/** What became of a file that was to be kept: nothing was there; it has another name now; it has another name too. */
export type BackupMade = "none" | "moved" | "linked";

/** Where backups go; paths are latin1. */
export interface BackupOptions {
  /** Absolute, or from the destination on; undefined for beside what they are backups of. */
  readonly directory: string | undefined;
  readonly suffix: string | undefined;
  /** Owners are kept. */
  readonly owner: boolean;
  /** The directory as it was given. */
  readonly shownDirectory?: string | undefined;
  readonly onBackup?: PullOptions["onBackup"];
}

/** Keeps what is about to be replaced or deleted, under another name or in another directory (`--backup`). */
export class Backups implements Disposable {
  readonly #tree: DestinationTree;
  readonly #suffix: string;
  readonly #directory: string | undefined;
  readonly #owner: boolean;
  readonly #shownDirectory: string | undefined;
  readonly #onBackup: PullOptions["onBackup"];
  #kept: DestinationTree | undefined;

  constructor(tree: DestinationTree, options: BackupOptions) {
    this.#tree = tree;
    this.#directory = options.directory;
    this.#shownDirectory = options.shownDirectory;
    this.#onBackup = options.onBackup;
    this.#suffix = options.suffix ?? defaultSuffix(options.directory);
    this.#owner = options.owner && process.geteuid?.() === 0;
  }

  /** Whether a name is that of an earlier backup, which is not kept once more. */
  isBackup(name: string): boolean {
    return (
      this.#directory === undefined &&
      name.length > this.#suffix.length &&
      name.endsWith(this.#suffix)
    );
  }

  /**
   * Keeps the file under `path`. With `link` it stays where it is as well, where the file system can do that, so that there is no
   * moment without it.
   * @throws RsyncError `ERR_RSYNC_FILE`, exit code 11, when it cannot be kept: then nothing may take its place
   */
  keep(path: string, prefer: "link" | "rename"): BackupMade {
    try {
      const from = nameBytes(baseNameOf(path));
      const here = this.#tree.directory(directoryOf(path));
      const stat = here.lstat(from);
      if (!stat || isDirectory(stat)) return "none";
      using to = this.#place(path);
      // Others of the same tree may have been opened on the way.
      const source = this.#tree.directory(directoryOf(path));
      const name = nameBytes(this.#nameOf(path));
      const made =
        prefer === "link" && tryLink(source, from, to, name)
          ? "linked"
          : move(source, from, stat, to, name);
      this.#tell(path);
      return made;
    } catch (error) {
      throw cannotKeep(path, error);
    }
  }

  /** Copies the file under `path`, which is about to be written to. @returns false when it is not there */
  async copy(path: string): Promise<boolean> {
    try {
      const from = this.#tree.directory(directoryOf(path)).openFile(nameBytes(baseNameOf(path)));
      try {
        using to = this.#place(path);
        const name = nameBytes(this.#nameOf(path));
        removeIfThere(to, name);
        const copy = to.openFile(name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
        try {
          await copyContent(from, copy);
          this.#likeOriginal(copy, fs.fstatSync(from, { bigint: true }), to);
        } finally {
          fs.closeSync(copy);
        }
      } finally {
        fs.closeSync(from);
      }
      this.#tell(path);
      return true;
    } catch (error) {
      if (errorCode(error) === "ENOENT") return false;
      throw cannotKeep(path, error);
    }
  }

  /** Opens what {@link copy} has made. The caller closes it. */
  openCopy(path: string): number {
    using directory = this.#place(path);
    return directory.openFile(nameBytes(this.#nameOf(path)));
  }

  [Symbol.dispose](): void {
    this.#kept?.[Symbol.dispose]();
  }

  #tell(path: string): void {
    if (!this.#onBackup) return;
    const below =
      this.#shownDirectory === undefined ? "" : `${this.#shownDirectory.replace(/\/+$/, "")}/`;
    this.#onBackup({ name: path, keptAs: `${below}${path}${this.#suffix}` });
  }

  #nameOf(path: string): string {
    return `${baseNameOf(path)}${this.#suffix}`;
  }

  #likeOriginal(fd: number, original: fs.BigIntStats, directory: DirectoryHandle): void {
    const stat = fileStatOf(original);
    if (this.#owner) fs.fchownSync(fd, stat.uid, stat.gid);
    fs.fchmodSync(fd, stat.mode & 0o7777);
    directory.setTimesOfFd(fd, stat);
  }

  /** The directory that keeps the file under `path`. The caller closes it. */
  #place(path: string): DirectoryHandle {
    if (this.#directory === undefined) return this.#tree.own(directoryOf(path));
    this.#kept ??= new DestinationTree(openRoot(this.#directory, this.#tree));
    return makeOpenDirectory(this.#kept, directoryOf(path), 0o777, (made, handle) => {
      // As in rsync(1), it becomes like the directory that its content comes from.
      const original = this.#tree.directory(made).stat();
      if (this.#owner) fs.fchownSync(handle.fd, original.uid, original.gid);
      handle.chmodSelf(original.mode);
    });
  }
}

/** What is put behind the names of backups unless it is told; rsync(1), `--suffix`. */
export function defaultSuffix(directory: string | undefined): string {
  return directory === undefined ? "~" : "";
}

function openRoot(path: string, tree: DestinationTree): DirectoryHandle {
  if (!leadsOut(path)) {
    assertNoLink(tree, path);
    return makeOpenDirectory(tree, path, 0o777);
  }
  const bytes = nameBytes(path);
  const full = path.startsWith("/")
    ? bytes
    : Buffer.concat([tree.root.self, nameBytes("/"), bytes]);
  fs.mkdirSync(full, { recursive: true });
  return DirectoryHandle.open(full, { followLast: true });
}

/**
 * Below the destination a link may be the sender's own: it would have backups written wherever it leads, as the real rsync 3.5 does.
 * It may be the user's as well, so it is not removed.
 */
function assertNoLink(tree: DestinationTree, path: string): void {
  const parts = path.split("/");
  for (let count = 1; count <= parts.length; count++) {
    const name = nameBytes(parts[count - 1] ?? "");
    const stat = tree.directory(parts.slice(0, count - 1).join("/") || ".").lstat(name);
    if (!stat) return;
    if (isDirectory(stat)) continue;
    const shown = parts.slice(0, count).join("/");
    throw new Error(
      `"${shown}" in the destination is no directory; an absolute path may have links`,
    );
  }
}

function tryLink(
  source: DirectoryHandle,
  from: Buffer,
  to: DirectoryHandle,
  name: Buffer,
): boolean {
  for (let attempt = 0; attempt < 2; attempt++) {
    try {
      to.link(source, from, name);
      return true;
    } catch (error) {
      if (errorCode(error) !== "EEXIST") return false;
      removeIfThere(to, name);
    }
  }
  return false;
}

function move(
  source: DirectoryHandle,
  from: Buffer,
  stat: FileStat,
  to: DirectoryHandle,
  name: Buffer,
): BackupMade {
  const there = to.lstat(name);
  if (there && isDirectory(there)) to.removeTree(name);
  try {
    source.rename(from, to, name);
  } catch (error) {
    if (errorCode(error) !== "EXDEV") throw error;
    copyAcross(source, from, stat, to, name);
    return "linked";
  }
  // rename(2) does nothing where both names are one file already.
  if (stat.nlink > 1) removeIfThere(source, from);
  return "moved";
}

/** To another file system. Not in slices: whoever calls must not be overtaken before the file is replaced. */
function copyAcross(
  source: DirectoryHandle,
  from: Buffer,
  stat: FileStat,
  to: DirectoryHandle,
  name: Buffer,
): void {
  removeIfThere(to, name);
  if (isRegularFile(stat)) {
    copyFile(source, from, to, name);
    to.chmod(name, stat.mode & 0o7777);
  } else if ((stat.mode & 0o170000) === 0o120000) {
    to.symlink(source.readlink(from), name);
  } else {
    to.mknod(name, stat.mode, stat.rdevMajor, stat.rdevMinor);
  }
  if (process.geteuid?.() === 0) to.chown(name, stat.uid, stat.gid);
  to.setTimes(name, stat);
}

function copyFile(source: DirectoryHandle, from: Buffer, to: DirectoryHandle, name: Buffer): void {
  const input = source.openFile(from);
  try {
    const output = to.openFile(name, O_WRONLY | O_CREAT | O_EXCL, 0o600);
    try {
      const buffer = Buffer.allocUnsafe(COPY_BYTES);
      for (let count = fs.readSync(input, buffer); count > 0; count = fs.readSync(input, buffer)) {
        for (let at = 0; at < count; ) at += fs.writeSync(output, buffer, at, count - at);
      }
    } finally {
      fs.closeSync(output);
    }
  } finally {
    fs.closeSync(input);
  }
}

function removeIfThere(directory: DirectoryHandle, name: Buffer): void {
  const stat = directory.lstat(name);
  if (stat && isDirectory(stat)) directory.removeTree(name);
  else if (stat) directory.unlink(name);
}

function cannotKeep(path: string, error: unknown): RsyncError {
  if (error instanceof RsyncError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  const options = { path, cause: error, exitCode: 11 } as const;
  return new RsyncError("ERR_RSYNC_FILE", `cannot keep a backup of "${path}": ${reason}`, options);
}
