// A file of 2 GiB through both ends: neither process needs much more memory than one that does nothing.
import {
  closeSync,
  mkdirSync,
  openSync,
  readFileSync,
  statfsSync,
  writeFileSync,
  writeSync,
} from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import {
  type BackupHostRig,
  backUpOk,
  type DeviceOptions,
  startBackup,
  startBackupHost,
} from "../support/backup-rig.ts";
import { seededRandom } from "../support/random.ts";
import { tempDir } from "../support/temp-dir.ts";

const FILE_BYTES = 2 * 1024 ** 3;
const CHUNK_BYTES = 16 * 1024 ** 2;
const LIMIT_MIB = 150;

/** A line of /proc/PID/status, in MiB; 0 for a process that has ended. */
function statusMib(pid: number, field: "VmHWM" | "VmRSS"): number {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, "m").exec(status)?.[1] ?? 0) / 1024;
}

interface Figures {
  readonly what: string;
  readonly seconds: number;
  readonly hostMib: number;
  readonly deviceMib: number;
}

/** Backs up, and gives how far the memory of both rose above what it was before the transfer. */
async function measure(
  what: string,
  device: DeviceOptions & { readonly host: BackupHostRig },
  idle: { readonly host: number; readonly device: number },
): Promise<Figures> {
  const { host } = device;
  // The highest mark begins anew (proc(5), clear_refs).
  writeFileSync(`/proc/${host.running.pid}/clear_refs`, "5");
  const seen = host.events.length;
  const started = performance.now();
  await using running = startBackup(device);
  let deviceMark = 0;
  const sampler = setInterval(() => {
    try {
      deviceMark = Math.max(deviceMark, statusMib(running.pid, "VmHWM"));
    } catch {
      // it has ended
    }
  }, 20);
  try {
    const { code, stderr } = await running.ended;
    expect(code, stderr).toBe(0);
  } finally {
    clearInterval(sampler);
  }
  await host.waitForEvent("published", seen);
  const figures = {
    what,
    seconds: Math.round(performance.now() - started) / 1000,
    hostMib: Math.round(statusMib(host.running.pid, "VmHWM") - idle.host),
    deviceMib: Math.round(deviceMark - idle.device),
  };
  process.stdout.write(`${JSON.stringify({ ...figures, idle })}\n`);
  return figures;
}

/** Memory of a device that is connected and waits. */
async function idleDevice(device: DeviceOptions): Promise<number> {
  await using running = startBackup(device);
  await running.waitFor("stdout", /"event":"connected"/);
  return statusMib(running.pid, "VmRSS");
}

it("2 GiB of random bytes, new, and again after a change in the middle", async () => {
  // In memory where there is room for the file and its copies.
  const { bavail, bsize } = statfsSync("/dev/shm");
  if (bavail * bsize > 4 * FILE_BYTES) process.env["TMPDIR"] = "/dev/shm";
  await using folder = tempDir();
  const source = folder.at("source");
  mkdirSync(source);
  await using host = await startBackupHost({ store: folder.at("store") });
  const device = { host, key: host.addDevice(), name: "large", path: source } as const;
  await backUpOk(device); // what is loaded once is loaded
  const idle = {
    host: statusMib(host.running.pid, "VmRSS"),
    device: await idleDevice(device),
  };

  const random = seededRandom("memory");
  const file = openSync(join(source, "file"), "w");
  for (let at = 0; at < FILE_BYTES; at += CHUNK_BYTES) writeSync(file, random.bytes(CHUNK_BYTES));
  closeSync(file);
  const figures = [await measure("new", device, idle)];

  const edited = openSync(join(source, "file"), "r+");
  writeSync(edited, random.bytes(1_000), 0, 1_000, FILE_BYTES / 2);
  closeSync(edited);
  figures.push(await measure("changed", device, idle));
  for (const { hostMib, deviceMib, what } of figures) {
    expect(hostMib, `the host, ${what}`).toBeLessThan(LIMIT_MIB);
    expect(deviceMib, `the device, ${what}`).toBeLessThan(LIMIT_MIB);
  }
});
