/** Most bytes that one name in a directory may have (Linux `NAME_MAX`, limits.h). */
export const NAME_BYTES_LIMIT = 255;

/** Most bytes that a symbolic link's target may have (Linux `PATH_MAX` less its NUL, limits.h). */
export const LINK_TARGET_BYTES_LIMIT = 4095;

/** Directory levels that {@link DirectoryHandle.removeTree} holds open at once; deeper ones are first moved up. */
export const REMOVE_DEPTH_LIMIT = 64;

/** Entries removed between two breaths of {@link DirectoryHandle.removeTreeInSlices}. */
export const REMOVE_SLICE_ENTRIES = 256;

/** File type bits of a mode, the same on every Unix that Node runs on (sys/stat.h). */
export const FILE_TYPE = {
  MASK: 0o170000,
  FIFO: 0o010000,
  CHARACTER_DEVICE: 0o020000,
  DIRECTORY: 0o040000,
  BLOCK_DEVICE: 0o060000,
  REGULAR: 0o100000,
  SYMLINK: 0o120000,
  SOCKET: 0o140000,
} as const;

/** Linux numbers that `node:fs` does not name (fcntl.h, linux/stat.h, sys/stat.h; the same on x64, arm64, riscv64). */
export const LINUX = {
  AT_SYMLINK_NOFOLLOW: 0x100,
  AT_EMPTY_PATH: 0x1000,
  O_CLOEXEC: 0o2000000,
  O_PATH: 0o10000000,
  STATX_BASIC_STATS: 0x7ff,
  /** `tv_nsec` that leaves a time as it is. */
  UTIME_OMIT: 0x3ffffffe,
} as const;
