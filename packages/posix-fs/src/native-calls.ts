import { constants } from "node:fs";
import type { AtCalls } from "./at-calls.ts";
import { LINUX, NAME_BYTES_LIMIT } from "./constants.ts";
import type { FileStat, FileTimes } from "./file-stat.ts";
import { type NativeFunction, type NativeLibrary, nativeLibrary } from "./native-library.ts";
import { systemError } from "./system-error.ts";

const { O_NOFOLLOW } = constants;
const NO_NAME = new Uint8Array(0);
const ENOENT = 2;
const EINTR = 4;

/** A buffer for NUL-terminated names, used again by each call: nothing is allocated for a file. */
class NameBuffer {
  readonly bytes: Buffer = Buffer.alloc(NAME_BYTES_LIMIT + 1);

  set(name: Uint8Array): Buffer {
    this.bytes.set(name, 0);
    this.bytes[name.length] = 0;
    return this.bytes;
  }
}

/** `struct statx` (linux/stat.h): the same bytes on every architecture. */
class StatxBuffer {
  readonly bytes: Buffer = Buffer.alloc(256);
  readonly #view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);

  decode(): FileStat {
    const view = this.#view;
    return {
      mode: view.getUint16(28, true),
      size: view.getUint32(40, true) + view.getUint32(44, true) * 0x1_0000_0000,
      atimeSec: view.getUint32(64, true) + view.getInt32(68, true) * 0x1_0000_0000,
      mtimeSec: view.getUint32(112, true) + view.getInt32(116, true) * 0x1_0000_0000,
      mtimeNsec: view.getUint32(120, true),
      uid: view.getUint32(20, true),
      gid: view.getUint32(24, true),
      ino: view.getBigUint64(32, true),
      // As `st_dev` would be for all majors and minors below 4096 and 2^20.
      dev: deviceNumber(view.getUint32(136, true), view.getUint32(140, true)),
      nlink: view.getUint32(16, true),
      rdevMajor: view.getUint32(128, true),
      rdevMinor: view.getUint32(132, true),
      blocks: view.getUint32(48, true) + view.getUint32(52, true) * 0x1_0000_0000,
    };
  }
}

function deviceNumber(major: number, minor: number): number {
  return (((minor & 0xfff00) << 12) | ((major & 0xfff) << 8) | (minor & 0xff)) >>> 0;
}

/** `struct timespec[2]`: access time, then modification time; 64-bit seconds and nanoseconds. */
class TimesBuffer {
  readonly bytes: Buffer = Buffer.alloc(32);
  readonly #view = new DataView(this.bytes.buffer, this.bytes.byteOffset, this.bytes.length);

  set(times: FileTimes): Buffer {
    const { atimeSec } = times;
    this.#put(0, atimeSec ?? 0, atimeSec === undefined ? LINUX.UTIME_OMIT : (times.atimeNsec ?? 0));
    this.#put(16, times.mtimeSec, times.mtimeNsec);
    return this.bytes;
  }

  #put(offset: number, sec: number, nsec: number): void {
    const low = ((sec % 0x1_0000_0000) + 0x1_0000_0000) % 0x1_0000_0000;
    this.#view.setUint32(offset, low, true);
    this.#view.setInt32(offset + 4, (sec - low) / 0x1_0000_0000, true);
    this.#view.setUint32(offset + 8, nsec, true);
    this.#view.setUint32(offset + 12, 0, true);
  }
}

interface Functions {
  readonly statx: NativeFunction;
  readonly openat: NativeFunction;
  readonly mkdirat: NativeFunction;
  readonly renameat: NativeFunction;
  readonly linkat: NativeFunction;
  readonly unlinkat: NativeFunction;
  readonly fchownat: NativeFunction;
  readonly utimensat: NativeFunction;
  readonly futimens: NativeFunction;
}

/** Holds the place of a function that is missing; never called, since then no calls are handed out. */
const NOT_FOUND: NativeFunction = Object.assign((): number => -1, { async: (): void => {} });

function findFunctions(library: NativeLibrary): Functions | undefined {
  let complete = true;
  const find = (prototype: string): NativeFunction => {
    const call = library.find(prototype);
    complete &&= call !== undefined;
    return call ?? NOT_FOUND;
  };
  const functions: Functions = {
    statx: find("int statx(int, const void*, int, unsigned int, void*)"),
    openat: find("int openat(int, const void*, int, unsigned int)"),
    mkdirat: find("int mkdirat(int, const void*, unsigned int)"),
    renameat: find("int renameat(int, const void*, int, const void*)"),
    linkat: find("int linkat(int, const void*, int, const void*, int)"),
    unlinkat: find("int unlinkat(int, const void*, int)"),
    fchownat: find("int fchownat(int, const void*, unsigned int, unsigned int, int)"),
    utimensat: find("int utimensat(int, const void*, const void*, int)"),
    futimens: find("int futimens(int, const void*)"),
  };
  return complete ? functions : undefined;
}

let calls: AtCalls | null | undefined;

/** {@link AtCalls} by the C library; undefined where koffi, a function or the kernel's statx is missing. */
export function loadNativeCalls(): AtCalls | undefined {
  if (calls === undefined) calls = createNativeCalls() ?? null;
  return calls ?? undefined;
}

function createNativeCalls(): AtCalls | undefined {
  const library = nativeLibrary();
  const c = library === undefined ? undefined : findFunctions(library);
  if (library === undefined || c === undefined) return undefined;
  const from = new NameBuffer();
  const to = new NameBuffer();
  const stat = new StatxBuffer();
  const times = new TimesBuffer();
  const check = (result: number, syscall: string, name: Uint8Array): void => {
    if (result !== 0) throw systemError(library.errno(), syscall, name);
  };
  // Old container runtimes answer EPERM to statx.
  const root = from.set(Buffer.from("/"));
  if (c.statx(-1, root, LINUX.AT_SYMLINK_NOFOLLOW, LINUX.STATX_BASIC_STATS, stat.bytes) !== 0) {
    return undefined;
  }
  return {
    lstat(directory, name) {
      const flags = LINUX.AT_SYMLINK_NOFOLLOW;
      if (c.statx(directory, from.set(name), flags, LINUX.STATX_BASIC_STATS, stat.bytes) === 0) {
        return stat.decode();
      }
      const errno = library.errno();
      if (errno === ENOENT) return undefined;
      throw systemError(errno, "statx", name);
    },
    open(directory, name, flags, mode) {
      const path = from.set(name);
      for (;;) {
        const fd = c.openat(directory, path, flags | LINUX.O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd >= 0) return fd;
        const errno = library.errno();
        if (errno !== EINTR) throw systemError(errno, "openat", name);
      }
    },
    mkdir: (directory, name, mode) =>
      check(c.mkdirat(directory, from.set(name), mode), "mkdirat", name),
    rename: (directory, name, toDirectory, toName) =>
      check(c.renameat(directory, from.set(name), toDirectory, to.set(toName)), "renameat", name),
    link: (directory, name, toDirectory, toName) =>
      check(c.linkat(directory, from.set(name), toDirectory, to.set(toName), 0), "linkat", toName),
    unlink: (directory, name) => check(c.unlinkat(directory, from.set(name), 0), "unlinkat", name),
    chown: (directory, name, uid, gid) =>
      check(
        c.fchownat(directory, from.set(name), uid, gid, LINUX.AT_SYMLINK_NOFOLLOW),
        "fchownat",
        name,
      ),
    setTimes: (directory, name, wanted) =>
      check(
        c.utimensat(directory, from.set(name), times.set(wanted), LINUX.AT_SYMLINK_NOFOLLOW),
        "utimensat",
        name,
      ),
    setTimesOfFd: (fd, wanted) => check(c.futimens(fd, times.set(wanted)), "futimens", NO_NAME),
  };
}
