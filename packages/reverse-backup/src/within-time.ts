import { BackupError } from "./errors.ts";

/** How long something is waited for. */
export interface WaitLimit<Result> {
  /** What does not come, for the message. */
  readonly what: string;
  /** 0 is for ever. */
  readonly timeoutMs: number;
  /** Gets what comes too late, to close it. */
  readonly late: (result: Result) => void;
}

/** @throws BackupError `ERR_BACKUP_TIMEOUT` when `promise` takes too long, and what it rejects with */
export async function withinTime<Result>(
  promise: Promise<Result>,
  { what, timeoutMs, late }: WaitLimit<Result>,
): Promise<Result> {
  if (timeoutMs === 0) return promise;
  let timer: NodeJS.Timeout | undefined;
  let isLate = false;
  const timedOut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => {
      isLate = true;
      reject(new BackupError("ERR_BACKUP_TIMEOUT", `${what} within ${timeoutMs / 1000} s`));
    }, timeoutMs);
  });
  const taken = promise.then((result) => {
    if (isLate) late(result);
    return result;
  });
  // What fails after the time is up, nobody waits for.
  taken.catch(() => undefined);
  try {
    return await Promise.race([taken, timedOut]);
  } finally {
    clearTimeout(timer);
  }
}
