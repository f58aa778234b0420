import type { FileStat, FileTimes } from "./file-stat.ts";

/**
 * The calls that take a directory's descriptor and one checked name, none of which follows a symbolic
 * link in that name. Two implementations: the C library's `*at` functions ({@link loadNativeCalls}),
 * and `node:fs` on `/proc/self/fd/N/name` ({@link nodeCalls}).
 */
export interface AtCalls {
  lstat(directory: number, name: Uint8Array): FileStat | undefined;
  open(directory: number, name: Uint8Array, flags: number, mode: number): number;
  mkdir(directory: number, name: Uint8Array, mode: number): void;
  rename(directory: number, name: Uint8Array, toDirectory: number, toName: Uint8Array): void;
  link(directory: number, name: Uint8Array, toDirectory: number, toName: Uint8Array): void;
  unlink(directory: number, name: Uint8Array): void;
  chown(directory: number, name: Uint8Array, uid: number, gid: number): void;
  setTimes(directory: number, name: Uint8Array, times: FileTimes): void;
  setTimesOfFd(fd: number, times: FileTimes): void;
}
