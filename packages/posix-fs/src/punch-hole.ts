import { type NativeFunction, nativeLibrary } from "./native-library.ts";

/** Flags of fallocate(2): a hole is made, and the file's size stays (linux/falloc.h). */
const PUNCH_HOLE = 0x02;
const KEEP_SIZE = 0x01;

let fallocate: NativeFunction | null | undefined;

/**
 * Makes a hole in an open file, whose size stays: the range reads as zeros then, and takes no room.
 *
 * @param offset - bytes, as is `length`, which is over 0
 * @returns false when nothing was changed: without koffi, or on a file system without holes
 */
export function punchHole(fd: number, offset: number, length: number): boolean {
  if (fallocate === undefined) {
    fallocate = nativeLibrary()?.find("int fallocate(int, int, int64_t, int64_t)") ?? null;
  }
  return fallocate !== null && fallocate(fd, PUNCH_HOLE | KEEP_SIZE, offset, length) === 0;
}
