import { spawnSync } from "node:child_process";
import { PosixFsError } from "./errors.ts";
import { type NativeFunction, nativeLibrary } from "./native-library.ts";
import { systemError } from "./system-error.ts";

/** Operations of flock(2) (linux/fcntl.h): exclusive, and without waiting. */
const LOCK_EX = 2;
const LOCK_NB = 4;
const EINTR = 4;
const EWOULDBLOCK = 11;
const NO_NAME = new Uint8Array(0);
const SEARCH = "/usr/bin:/bin:/usr/local/bin";

let flock: NativeFunction | null | undefined;

/**
 * Takes flock(2)'s exclusive lock of an open file, without waiting. The lock belongs to the open file: the kernel gives it back
 * when the last descriptor of it is closed, also when the process is killed.
 *
 * Without koffi flock(1) takes it, on our descriptor, and so for us.
 *
 * @returns false when somebody else has it
 * @throws PosixFsError `ERR_POSIX_FS_HELPER` when there is neither; an error of the system's otherwise
 */
export function tryLockFile(fd: number): boolean {
  if (flock === undefined) flock = nativeLibrary()?.find("int flock(int, int)") ?? null;
  return flock === null ? tryLockByProgram(fd) : tryLockByCall(fd, flock);
}

function tryLockByCall(fd: number, call: NativeFunction): boolean {
  for (;;) {
    if (call(fd, LOCK_EX | LOCK_NB) === 0) return true;
    const errno = nativeLibrary()?.errno() ?? 0;
    if (errno === EWOULDBLOCK) return false;
    if (errno !== EINTR) throw systemError(errno, "flock", NO_NAME);
  }
}

/** @internal For its test. */
export function tryLockByProgram(fd: number): boolean {
  const { status, error, stderr } = spawnSync("flock", ["-n", "-x", "3"], {
    encoding: "utf8",
    env: { PATH: SEARCH },
    stdio: ["ignore", "ignore", "pipe", fd],
  });
  if (status === 0) return true;
  if (status === 1) return false;
  const why = error?.message ?? stderr.trim().slice(0, 200);
  throw new PosixFsError("ERR_POSIX_FS_HELPER", `flock failed: ${why}`);
}
