import { setTimeout as pause } from "node:timers/promises";
import { CLEANUP } from "./constants.ts";
import { isRunning, type ProcessStat, type ProcessTable } from "./process-table.ts";

/** Times for the end of a process. */
export interface EndTimes {
  readonly termTimeoutMs: number;
  readonly killTimeoutMs: number;
}

/** Sends a signal; throws as `process.kill()`. */
export type SendSignal = (pid: number, signal: NodeJS.Signals) => void;

/**
 * Ends a process: SIGTERM, and SIGKILL where that does nothing. A pid is given to another process as soon as its owner is
 * gone, so before each signal its start time is compared; what has another one is not touched.
 *
 * @returns whether it is gone; false where it may not be signalled or cannot be ended
 */
export async function endProcess(
  table: ProcessTable,
  process: ProcessStat,
  times: EndTimes,
  send: SendSignal,
): Promise<boolean> {
  for (const [signal, timeoutMs] of [
    ["SIGTERM", times.termTimeoutMs],
    ["SIGKILL", times.killTimeoutMs],
  ] as const) {
    if (isGone(table, process)) return true;
    try {
      send(process.pid, signal);
    } catch {
      return isGone(table, process); // ESRCH: it ended in between; EPERM: it is not ours to end
    }
    if (await isGoneWithin(table, process, timeoutMs)) return true;
  }
  return false;
}

/** Waits for a process to be gone by itself. */
export async function isGoneWithin(
  table: ProcessTable,
  process: ProcessStat,
  timeoutMs: number,
): Promise<boolean> {
  const giveUpAt = Date.now() + timeoutMs;
  while (!isGone(table, process)) {
    if (Date.now() >= giveUpAt) return false;
    await pause(CLEANUP.pollMs);
  }
  return true;
}

/** Whether it has ended, or another process has its pid. */
function isGone(table: ProcessTable, { pid, startTicks }: ProcessStat): boolean {
  const now = table.stat(pid);
  return now === undefined || now.startTicks !== startTicks || !isRunning(now);
}
