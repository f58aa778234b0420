import { spawn, spawnSync } from "node:child_process";
import { SYNCFS } from "./capabilities.ts";
import { PosixFsError } from "./errors.ts";
import { type NativeFunction, nativeLibrary } from "./native-library.ts";
import { systemError } from "./system-error.ts";

const NO_NAME = new Uint8Array(0);
const SEARCH = "/usr/bin:/bin";

let syncfs: NativeFunction | null | undefined;

function findSyncfs(): NativeFunction | undefined {
  if (syncfs === undefined) syncfs = nativeLibrary()?.find(SYNCFS) ?? null;
  return syncfs ?? undefined;
}

/** Writes everything of `fd`'s file system to the disk: syncfs(2), else sync(1). Blocks until it is done. */
export function flushFileSystemSync(fd: number): void {
  const call = findSyncfs();
  if (call !== undefined) {
    if (call(fd) !== 0) throw systemError(nativeLibrary()?.errno() ?? 5, "syncfs", NO_NAME);
    return;
  }
  const result = spawnSync("sync", syncArguments(fd), { encoding: "utf8", env: { PATH: SEARCH } });
  if (result.error !== undefined || result.status !== 0) {
    throw helperError(result.error?.message ?? result.stderr.trim().slice(0, 200));
  }
}

/** As {@link flushFileSystemSync}, on another thread: keepalives live on while a slow disk works. */
export function flushFileSystem(fd: number): Promise<void> {
  const call = findSyncfs();
  return new Promise((resolve, reject) => {
    if (call !== undefined) {
      call.async(fd, (error, result) => {
        if (error !== null) reject(error);
        // errno belongs to the other thread: EIO is what syncfs(2) reports, short of a wrong descriptor.
        else if (result !== 0) reject(systemError(5, "syncfs", NO_NAME));
        else resolve();
      });
      return;
    }
    const child = spawn("sync", syncArguments(fd), { stdio: "ignore", env: { PATH: SEARCH } });
    child.on("error", (error) => reject(helperError(error.message)));
    child.on("exit", (status) => {
      if (status === 0) resolve();
      else reject(helperError(`exit code ${status}`));
    });
  });
}

function syncArguments(fd: number): string[] {
  return ["-f", `/proc/${process.pid}/fd/${fd}`];
}

function helperError(why: string): PosixFsError {
  return new PosixFsError("ERR_POSIX_FS_HELPER", `sync failed: ${why}`);
}
