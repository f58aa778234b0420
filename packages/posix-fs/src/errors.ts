/** What went wrong before a system call was tried, as a stable word. */
export type PosixFsErrorCode =
  /** A name is empty, `.` or `..`, or holds `/` or NUL. */
  | "ERR_POSIX_FS_NAME"
  /** The handle has been closed. */
  | "ERR_POSIX_FS_CLOSED"
  /** This system, or this installation, cannot do it; the message names what is missing. */
  | "ERR_POSIX_FS_UNSUPPORTED"
  /** The entry is a symbolic link, and the operation must not follow one. */
  | "ERR_POSIX_FS_SYMLINK"
  /** A helper program (`mknod`, `mkfifo`, `sync`, `flock`) failed. */
  | "ERR_POSIX_FS_HELPER";

/** Facts that go with a {@link PosixFsError}. */
export interface PosixFsErrorDetails {
  /** The name concerned, as raw bytes. */
  readonly entryName?: Uint8Array;
  /** What lies underneath. */
  readonly cause?: unknown;
}

/**
 * The error class of this package. A system call that the kernel refuses throws instead an error of
 * `node:fs`'s own shape (`code: "ENOENT"`, `errno`, `syscall`, `path`), whichever way it was called.
 */
export class PosixFsError extends Error {
  readonly code: PosixFsErrorCode;
  readonly entryName: Uint8Array | undefined;

  constructor(code: PosixFsErrorCode, message: string, details: PosixFsErrorDetails = {}) {
    super(message, details.cause === undefined ? undefined : { cause: details.cause });
    this.name = "PosixFsError";
    this.code = code;
    this.entryName = details.entryName;
  }
}

/** An error's `code` when it has one: `"ENOENT"` of a system call, or `ERR_…` of a package. */
export function errorCode(error: unknown): string | undefined {
  if (typeof error !== "object" || error === null || !("code" in error)) return undefined;
  return typeof error.code === "string" ? error.code : undefined;
}
