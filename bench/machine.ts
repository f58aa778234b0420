import { closeSync, openSync, readFileSync, rmSync, statfsSync, writeSync } from "node:fs";
import { cpus, loadavg, release, tmpdir } from "node:os";
import { join } from "node:path";
import { requirePeer } from "../test/support/peers.ts";
import { run } from "../test/support/processes.ts";

const GiB = 2 ** 30;

/** Room that the largest workload takes with all contenders. */
const NEEDED_BYTES = 10 * GiB;

/** One line about the machine and the programs: figures mean nothing without it. */
export async function describeMachine(): Promise<string> {
  const [cpu] = cpus();
  const memory = Number(/MemTotal:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
  const rsync = (await run(requirePeer("rsync"), ["--version"])).stdout;
  const ssh = (await run(requirePeer("ssh"), ["-V"])).stderr;
  return [
    `${cpus().length} × ${cpu?.model ?? "unknown CPU"}, ${(memory / 2 ** 20).toFixed(0)} GiB, Linux ${release()}`,
    `node ${process.version}`,
    /version (\S+)/.exec(rsync)?.[0].replace("version", "rsync") ?? "rsync",
    ssh.split(",")[0]?.trim() ?? "ssh",
    `load ${loadavg()[0]?.toFixed(1)}`,
  ].join(" · ");
}

/** What a run may write: W4's file once more, and some. */
const TOUCHED_BYTES = 3 * GiB;

/**
 * Uses as much memory as a run will, and frees it. A virtual machine gives what is free back to its host within seconds, and a file
 * that is then written to a tmpfs costs several times as much: whoever comes after a pause would pay for it.
 */
export function touchMemory(folder: string): void {
  const path = join(folder, "touched");
  const zeros = Buffer.alloc(1 << 20);
  const fd = openSync(path, "w");
  for (let done = 0; done < TOUCHED_BYTES; done += zeros.length) writeSync(fd, zeros);
  closeSync(fd);
  rmSync(path);
}

/** The folder to work in: a tmpfs when it has the room, for a disk's own habits would be measured otherwise. */
export function workFolder(): string {
  try {
    const { bavail, bsize } = statfsSync("/dev/shm");
    const available = Number(
      /MemAvailable:\s+(\d+)/.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0,
    );
    if (bavail * bsize >= NEEDED_BYTES && available * 1_024 >= NEEDED_BYTES) return "/dev/shm";
  } catch {
    // no such file system
  }
  return tmpdir();
}
