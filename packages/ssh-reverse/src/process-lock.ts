import {
  closeSync,
  constants,
  fstatSync,
  ftruncateSync,
  lstatSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  type Stats,
  statSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { tryLockFile } from "@dialhome/posix-fs";
import { SshReverseError } from "./errors.ts";

const { O_CREAT, O_NOFOLLOW, O_RDWR } = constants;

/** Times that somebody may take the file away under us. */
const TRIES_LIMIT = 100;

/** How often it is looked whether a process that was asked to end has ended, ms. */
const LOOK_MS = 50;

/** A lock that this process holds. The kernel gives it back when the process ends, however it ends. */
export interface ProcessLock extends Disposable {
  readonly path: string;
}

/**
 * Takes the lock of a file, without waiting: of all the processes that try exactly one gets it. It is flock(2)'s, so nothing is stale
 * after `kill -9` or a power cut; the file stays, and holds the number of the last process that had the lock. Its directory is made,
 * for its owner alone.
 *
 * @returns undefined when another process holds it
 * @throws SshReverseError `ERR_SSH_REVERSE_LOCK` when the file cannot be made or opened
 */
export function takeProcessLock(path: string): ProcessLock | undefined {
  try {
    return takeLock(path);
  } catch (error) {
    throw lockErrorOf(error, path);
  }
}

function takeLock(path: string): ProcessLock | undefined {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
  for (let tries = 0; tries < TRIES_LIMIT; tries++) {
    const fd = openSync(path, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    try {
      if (!tryLockFile(fd)) {
        closeSync(fd);
        return undefined;
      }
      // Somebody may have removed the file meanwhile: a lock on what has no name keeps nobody out.
      if (isSameFile(fstatSync(fd), lstatSync(path, { throwIfNoEntry: false }))) {
        ftruncateSync(fd);
        writeSync(fd, `${process.pid}\n`, 0);
        return {
          path,
          [Symbol.dispose]: once(() => closeSync(fd)),
        };
      }
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
  }
  throw new SshReverseError("ERR_SSH_REVERSE_LOCK", `the lock ${path} is taken away all the time`);
}

/**
 * Asks the process that holds the lock to end (SIGTERM), and waits until it has.
 *
 * @returns its number; undefined when nobody held the lock
 * @throws SshReverseError `ERR_SSH_REVERSE_LOCK` when it does not end in time, or cannot be told
 */
export async function stopLockHolder(path: string, timeoutMs: number): Promise<number | undefined> {
  const pid = lockHolder(path);
  if (pid === undefined) return undefined;
  process.kill(pid, "SIGTERM");
  const until = performance.now() + timeoutMs;
  while (performance.now() < until) {
    if (!mayHold(path, pid)) return pid;
    await pause(LOOK_MS); // another program's end: there is no event to wait for
  }
  throw new SshReverseError(
    "ERR_SSH_REVERSE_LOCK",
    `process ${pid} was asked to end, and has not within ${timeoutMs / 1000} s`,
  );
}

function lockErrorOf(error: unknown, path: string): unknown {
  if (error instanceof SshReverseError || !(error instanceof Error)) return error;
  const message = `cannot use the lock ${path}: ${error.message}`;
  return new SshReverseError("ERR_SSH_REVERSE_LOCK", message, { cause: error });
}

/** Whether a process that was asked to end still holds the lock. While it closes its files that cannot be told. */
function mayHold(path: string, pid: number): boolean {
  try {
    return lockHolder(path) === pid;
  } catch {
    return true;
  }
}

/** The process that holds the lock. Its number counts only where it has the file open: numbers are used again. */
function lockHolder(path: string): number | undefined {
  let fd: number;
  try {
    fd = openSync(path, O_RDWR | O_NOFOLLOW);
  } catch (error) {
    if (error instanceof Error && Reflect.get(error, "code") === "ENOENT") return undefined;
    throw lockErrorOf(error, path);
  }
  try {
    if (tryLockFile(fd)) return undefined;
    const pid = Number(readFileSync(fd, "latin1"));
    // This process has it open only to look.
    const isOther = Number.isSafeInteger(pid) && pid > 0 && pid !== process.pid;
    if (isOther && hasOpen(pid, fstatSync(fd))) return pid;
  } finally {
    closeSync(fd);
  }
  throw new SshReverseError("ERR_SSH_REVERSE_LOCK", `who holds the lock ${path} cannot be told`);
}

function hasOpen(pid: number, file: Stats): boolean {
  const folder = `/proc/${pid}/fd`;
  try {
    return readdirSync(folder).some((name) => leadsTo(`${folder}/${name}`, file));
  } catch {
    return false; // ended meanwhile, or somebody else's
  }
}

function leadsTo(path: string, file: Stats): boolean {
  try {
    return isSameFile(file, statSync(path));
  } catch {
    return false; // closed meanwhile
  }
}

function isSameFile(a: Stats, b: Stats | undefined): boolean {
  return b !== undefined && a.ino === b.ino && a.dev === b.dev;
}

function once(act: () => void): () => void {
  let isDone = false;
  return () => {
    if (isDone) return;
    isDone = true;
    act();
  };
}
