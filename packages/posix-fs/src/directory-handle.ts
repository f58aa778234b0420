import * as fs from "node:fs";
import type { AtCalls } from "./at-calls.ts";
import { atCalls } from "./capabilities.ts";
import { FILE_TYPE, LINK_TARGET_BYTES_LIMIT, LINUX } from "./constants.ts";
import { assertEntryName } from "./entry-name.ts";
import { PosixFsError } from "./errors.ts";
import { getXattr, listXattrs, removeXattr, setXattr } from "./extended-attributes.ts";
import type { FileStat, FileTimes } from "./file-stat.ts";
import { flushFileSystem, flushFileSystemSync } from "./flush.ts";
import { descriptorPath } from "./node-calls.ts";
import { drain, drainInSlices, removeSteps } from "./remove-tree.ts";
import { makeNode } from "./special-files.ts";

const { O_DIRECTORY, O_NOFOLLOW, O_NONBLOCK, O_RDONLY } = fs.constants;
const DOT = Buffer.from(".");

/** How {@link DirectoryHandle.open} finds the directory. */
export interface OpenDirectoryOptions {
  /**
   * Whether the path's last component may be a symbolic link, as it may for a path that the user gave.
   * @defaultValue false
   */
  readonly followLast?: boolean;
}

let procChecked = false;

/** Without /proc there is no race-free path to a held directory's entries for `node:fs`. */
function assertProc(): void {
  if (procChecked) return;
  if (!fs.existsSync("/proc/self/fd")) {
    throw new PosixFsError(
      "ERR_POSIX_FS_UNSUPPORTED",
      `/proc/self/fd is missing (${process.platform}): held directories need it`,
    );
  }
  procChecked = true;
}

/**
 * A directory held open, and its entries by their names as bytes.
 *
 * Whatever becomes of the path by which it was opened, each call lands in this very directory, and no call
 * follows a symbolic link. Calls are synchronous, since a promise for each file costs three to nine times more.
 * A name that is not one plain component throws `ERR_POSIX_FS_NAME`, a closed handle `ERR_POSIX_FS_CLOSED`;
 * what the kernel refuses throws as `node:fs` does (`code: "EACCES"` …).
 */
export class DirectoryHandle implements Disposable {
  #fd: number;
  readonly #calls: AtCalls;

  private constructor(fd: number, calls: AtCalls) {
    this.#fd = fd;
    this.#calls = calls;
  }

  /** Opens a directory by path. `ELOOP`/`ENOTDIR` when its last component is a symbolic link and `followLast` is not set. */
  static open(path: string | Buffer, options: OpenDirectoryOptions = {}): DirectoryHandle {
    assertProc();
    const follow = options.followLast === true ? 0 : O_NOFOLLOW;
    return new DirectoryHandle(fs.openSync(path, O_RDONLY | O_DIRECTORY | follow), atCalls());
  }

  /** Opens a child directory, which may not be a symbolic link. */
  openDirectory(name: Uint8Array): DirectoryHandle {
    assertEntryName(name);
    const fd = this.#calls.open(this.fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW, 0);
    return new DirectoryHandle(fd, this.#calls);
  }

  /** The descriptor; owned by the handle. */
  get fd(): number {
    if (this.#fd < 0)
      throw new PosixFsError("ERR_POSIX_FS_CLOSED", "the directory handle is closed");
    return this.#fd;
  }

  /** A path to an entry for `node:fs` in this process: `/proc/self/fd/N/name`. Valid until the handle is closed. */
  at(name: Uint8Array): Buffer {
    assertEntryName(name);
    return descriptorPath(this.fd, name);
  }

  /** A path to the directory itself for `node:fs` in this process: `/proc/self/fd/N/.` */
  get self(): Buffer {
    return descriptorPath(this.fd, DOT);
  }

  /** The names in it, without `.` and `..`, in the file system's order. */
  names(): Buffer[] {
    return fs.readdirSync(this.self, { encoding: "buffer" });
  }

  /** What the directory itself is. */
  stat(): FileStat {
    const stat = this.#calls.lstat(this.fd, DOT);
    // `.` exists in a directory that was removed while held, too.
    if (stat === undefined) throw new Error("the held directory has no entry for itself");
    return stat;
  }

  /** What an entry is; undefined when there is none. */
  lstat(name: Uint8Array): FileStat | undefined {
    assertEntryName(name);
    return this.#calls.lstat(this.fd, name);
  }

  /** Makes a directory; the process' umask applies. */
  mkdir(name: Uint8Array, mode = 0o777): void {
    assertEntryName(name);
    this.#calls.mkdir(this.fd, name, mode);
  }

  /**
   * Opens a file and gives its descriptor, which the caller closes. `O_NOFOLLOW` and `O_NONBLOCK` are always added:
   * a symbolic link gives `ELOOP`, and a fifo without a writer does not hang.
   */
  openFile(name: Uint8Array, flags: number = O_RDONLY, mode = 0o666): number {
    assertEntryName(name);
    return this.#calls.open(this.fd, name, flags | O_NONBLOCK, mode);
  }

  /** Renames an entry, replacing what has that name. */
  rename(from: Uint8Array, toDirectory: DirectoryHandle, to: Uint8Array): void {
    assertEntryName(from);
    assertEntryName(to);
    this.#calls.rename(this.fd, from, toDirectory.fd, to);
  }

  /** Makes `name` here a hard link to `from` there; a symbolic link is linked itself. `EEXIST` when `name` is taken. */
  link(fromDirectory: DirectoryHandle, from: Uint8Array, name: Uint8Array): void {
    assertEntryName(from);
    assertEntryName(name);
    this.#calls.link(fromDirectory.fd, from, this.fd, name);
  }

  /** Makes a symbolic link. `target` is any text of 1 to 4,095 bytes without NUL. */
  symlink(target: Uint8Array, name: Uint8Array): void {
    if (target.length === 0 || target.length > LINK_TARGET_BYTES_LIMIT || target.includes(0)) {
      throw new PosixFsError(
        "ERR_POSIX_FS_NAME",
        `a link target of ${target.length} bytes is empty, holds NUL or is over the limit ${LINK_TARGET_BYTES_LIMIT}`,
        { entryName: name },
      );
    }
    fs.symlinkSync(asBuffer(target), this.at(name));
  }

  /** A symbolic link's target. `EINVAL` when the entry is something else. */
  readlink(name: Uint8Array): Buffer {
    return fs.readlinkSync(this.at(name), { encoding: "buffer" });
  }

  /** Removes an entry that is no directory. */
  unlink(name: Uint8Array): void {
    assertEntryName(name);
    this.#calls.unlink(this.fd, name);
  }

  /** Removes an empty directory. */
  rmdir(name: Uint8Array): void {
    fs.rmdirSync(this.at(name));
  }

  /**
   * Removes an entry and all below it, following no symbolic link; nothing happens when there is none.
   * A directory without write permission gets it first. Depth is unlimited; at most 64 directories are held open.
   */
  removeTree(name: Uint8Array): void {
    assertEntryName(name);
    drain(removeSteps(this, name));
  }

  /** As {@link removeTree}, giving the event loop a turn after every 256 entries. Rejects with the signal's reason when it aborts. */
  async removeTreeInSlices(name: Uint8Array, signal?: AbortSignal): Promise<void> {
    assertEntryName(name);
    await drainInSlices(removeSteps(this, name), signal);
  }

  /** Sets permission bits, also of a file that may not be read. `ERR_POSIX_FS_SYMLINK` for a symbolic link, which has none. */
  chmod(name: Uint8Array, mode: number): void {
    // A descriptor that only names the file needs no permission on it, and its /proc entry leads to that very inode.
    const fd = this.#openPath(name);
    try {
      if ((fs.fstatSync(fd).mode & FILE_TYPE.MASK) === FILE_TYPE.SYMLINK) {
        throw new PosixFsError("ERR_POSIX_FS_SYMLINK", "a symbolic link has no mode to set", {
          entryName: name,
        });
      }
      fs.chmodSync(`/proc/self/fd/${fd}`, mode & 0o7777);
    } finally {
      fs.closeSync(fd);
    }
  }

  /** Sets the permission bits of the directory itself. */
  chmodSelf(mode: number): void {
    fs.fchmodSync(this.fd, mode & 0o7777);
  }

  /** Sets owner and group of the entry, of a symbolic link itself too. Clears set-id bits, as the kernel does. */
  chown(name: Uint8Array, uid: number, gid: number): void {
    assertEntryName(name);
    this.#calls.chown(this.fd, name, uid, gid);
  }

  /** Sets times of the entry, of a symbolic link itself too; see {@link capabilities} for their precision. */
  setTimes(name: Uint8Array, times: FileTimes): void {
    assertEntryName(name);
    this.#calls.setTimes(this.fd, name, times);
  }

  /** Sets times of an open file. */
  setTimesOfFd(fd: number, times: FileTimes): void {
    this.#calls.setTimesOfFd(fd, times);
  }

  /** Makes a fifo, a device or a socket: `mode` has type and permission bits, the umask applies. */
  mknod(name: Uint8Array, mode: number, major = 0, minor = 0): void {
    assertEntryName(name);
    makeNode(this.fd, name, mode, major, minor);
  }

  /** Makes the file of a Unix socket that nobody listens on. `ERR_POSIX_FS_UNSUPPORTED` without koffi. */
  makeSocketNode(name: Uint8Array, mode = 0o666): void {
    this.mknod(name, FILE_TYPE.SOCKET | (mode & 0o7777));
  }

  /** Names of an entry's extended attributes, latin1. `ERR_POSIX_FS_UNSUPPORTED` without koffi, as for the calls below. */
  listXattrs(name: Uint8Array): string[] {
    return listXattrs(this.at(name), false);
  }

  /** The value of an extended attribute; undefined when there is none. */
  getXattr(name: Uint8Array, attribute: string): Buffer | undefined {
    return getXattr(this.at(name), attribute, false);
  }

  setXattr(name: Uint8Array, attribute: string, value: Uint8Array): void {
    setXattr(this.at(name), attribute, value, false);
  }

  removeXattr(name: Uint8Array, attribute: string): void {
    removeXattr(this.at(name), attribute, false);
  }

  /** Writes everything of this directory's file system to the disk (syncfs), blocking. */
  sync(): void {
    flushFileSystemSync(this.fd);
  }

  /** As {@link sync}, on another thread. */
  async flush(): Promise<void> {
    await flushFileSystem(this.fd);
  }

  /** Writes the directory's own entries to the disk (fsync). */
  fsync(): void {
    fs.fsyncSync(this.fd);
  }

  /** Closes the handle; once more does nothing. */
  close(): void {
    if (this.#fd < 0) return;
    const fd = this.#fd;
    this.#fd = -1;
    fs.closeSync(fd);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  #openPath(name: Uint8Array): number {
    assertEntryName(name);
    return this.#calls.open(this.fd, name, LINUX.O_PATH | O_NOFOLLOW, 0);
  }
}

function asBuffer(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
}
