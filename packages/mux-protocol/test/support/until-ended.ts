import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";

/** Resolves when a process that is not our child, and so no event of ours, has ended; it need not be buried. */
export async function untilEnded(pid: number): Promise<void> {
  if (!Number.isInteger(pid) || pid < 1) throw new Error(`${pid} is no process`);
  while (isRunning(pid)) await pause(10);
}

function isRunning(pid: number): boolean {
  try {
    return !/^State:\s+[ZX]/m.test(readFileSync(`/proc/${pid}/status`, "utf8"));
  } catch {
    return false;
  }
}
