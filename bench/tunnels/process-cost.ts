import { readFileSync } from "node:fs";

/** Clock ticks of /proc/PID/stat a second; it is 100 on every Linux that Node runs on. */
const TICKS = 100;

function fields(pid: number): string[] {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  return stat.slice(stat.lastIndexOf(")") + 2).split(" ");
}

/** CPU time of a process so far, in seconds; with that of its ended children where asked for. */
export function cpuSeconds(pid: number, withChildren = false): number {
  const values = fields(pid).slice(11, withChildren ? 15 : 13); // utime, stime, cutime, cstime of proc(5)
  return values.reduce((sum, text) => sum + Number(text), 0) / TICKS;
}

/** Every process below one. */
export function descendants(pid: number): number[] {
  let children: string;
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch {
    return [];
  }
  return children
    .split(" ")
    .filter((text) => text.trim() !== "")
    .map(Number)
    .flatMap((child) => [child, ...descendants(child)]);
}

/** Resident memory of a process, in bytes. */
export function residentBytes(pid: number): number {
  const kib = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
  return Number(kib ?? 0) * 1024;
}

/** Memory of all processes below one, in bytes; what several share is divided by their number. */
export function sessionBytes(pid: number): number {
  return descendants(pid).reduce((sum, child) => {
    const kib = /^Pss:\s+(\d+)/m.exec(readFileSync(`/proc/${child}/smaps_rollup`, "utf8"))?.[1];
    return sum + Number(kib ?? 0) * 1024;
  }, 0);
}
