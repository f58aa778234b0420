import type { BigIntStats } from "node:fs";
import { FILE_TYPE } from "./constants.ts";

/** What the kernel knows of one entry. Times are whole seconds since 1970 (may be negative) and 0…999 999 999 ns. */
export interface FileStat {
  /** Type bits and permission bits, as in `st_mode`. */
  readonly mode: number;
  /** Bytes. */
  readonly size: number;
  /** The last access; whole seconds, no fraction. */
  readonly atimeSec: number;
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly uid: number;
  readonly gid: number;
  /** 64 bits, so no number. */
  readonly ino: bigint;
  readonly dev: number;
  readonly nlink: number;
  readonly rdevMajor: number;
  readonly rdevMinor: number;
  /** Units of 512 bytes. */
  readonly blocks: number;
}

/** Times to set. Whole seconds since 1970 (may be negative) and 0…999 999 999 ns; an atime left out stays. */
export interface FileTimes {
  readonly mtimeSec: number;
  readonly mtimeNsec: number;
  readonly atimeSec?: number;
  readonly atimeNsec?: number;
}

/** True when `mode`'s type bits say directory. */
export function isDirectory(stat: { readonly mode: number }): boolean {
  return (stat.mode & FILE_TYPE.MASK) === FILE_TYPE.DIRECTORY;
}

/** True when `mode`'s type bits say regular file. */
export function isRegularFile(stat: { readonly mode: number }): boolean {
  return (stat.mode & FILE_TYPE.MASK) === FILE_TYPE.REGULAR;
}

/** True when `mode`'s type bits say symbolic link. */
export function isSymlink(stat: { readonly mode: number }): boolean {
  return (stat.mode & FILE_TYPE.MASK) === FILE_TYPE.SYMLINK;
}

/** Major and minor of glibc's 64-bit `dev_t` (sys/sysmacros.h). */
export function splitDevice(device: bigint): { readonly major: number; readonly minor: number } {
  const low = Number(device & 0xffffffffn);
  const high = Number(device >> 32n);
  return {
    major: ((high & 0xfffff000) | ((low >>> 8) & 0xfff)) >>> 0,
    minor: (((high & 0xfff) << 20) | ((low >>> 12) & 0xfff00) | (low & 0xff)) >>> 0,
  };
}

/** glibc's 64-bit `dev_t` of a major and a minor (sys/sysmacros.h). */
export function joinDevice(major: number, minor: number): bigint {
  const a = BigInt(major >>> 0);
  const i = BigInt(minor >>> 0);
  return (
    ((a & 0xfffff000n) << 32n) | ((a & 0xfffn) << 8n) | ((i & 0xffffff00n) << 12n) | (i & 0xffn)
  );
}

const NS = 1_000_000_000n;

/** {@link FileStat} of what `lstatSync(path, { bigint: true })` gives. */
export function fileStatOf(stat: BigIntStats): FileStat {
  const { mtimeNs } = stat;
  // BigInt division rounds towards zero; times before 1970 need it towards the past.
  let seconds = mtimeNs / 1_000_000_000n;
  let nanoseconds = mtimeNs % 1_000_000_000n;
  if (nanoseconds < 0n) {
    seconds -= 1n;
    nanoseconds += 1_000_000_000n;
  }
  const device = splitDevice(stat.rdev);
  return {
    mode: Number(stat.mode),
    size: Number(stat.size),
    atimeSec: Number(stat.atimeNs >= 0n ? stat.atimeNs / NS : (stat.atimeNs - NS + 1n) / NS),
    mtimeSec: Number(seconds),
    mtimeNsec: Number(nanoseconds),
    uid: Number(stat.uid),
    gid: Number(stat.gid),
    ino: stat.ino,
    dev: Number(stat.dev),
    nlink: Number(stat.nlink),
    rdevMajor: device.major,
    rdevMinor: device.minor,
    blocks: Number(stat.blocks),
  };
}
