import * as fs from "node:fs";
import type { DirectoryHandle } from "@dialhome/posix-fs";
import * as v from "valibot";
import { createFileAtomically, readSmallFile, removeIfThere } from "./durable-files.ts";
import { StoreError } from "./errors.ts";

const { O_TRUNC, O_WRONLY } = fs.constants;

const PATTERN = /^\.lock\.([1-9]\d{0,14})$/;

/** Starters that keep taking the next number from each other; far above what can be real. */
const TRIES_LIMIT = 1000;

const HolderSchema = v.object({
  pid: v.pipe(v.number(), v.safeInteger(), v.minValue(1)),
  /** Start time in clock ticks since boot (proc(5), field 22 of /proc/PID/stat): a number used again is another process. */
  start: v.string(),
  /** /proc/sys/kernel/random/boot_id: after a boot nobody of before holds anything. */
  boot: v.string(),
});

type Holder = v.InferOutput<typeof HolderSchema>;

/**
 * The lock of one machine's directory: files `.lock.1`, `.lock.2`, …, of which the highest counts. It names the
 * process that holds it, or is empty once that gave it back. Taking it, also from a process that was killed, is the
 * exclusive creation of the next number, so of many who try at once exactly one succeeds; and since the highest
 * number is never removed, one who looked too early finds out. Processes must share one table of process ids.
 */
export class MachineLock implements Disposable {
  readonly #directory: DirectoryHandle;
  readonly #number: number;
  /** Whether the last holder ended without giving it back. */
  readonly takenOver: boolean;
  #held = true;

  private constructor(directory: DirectoryHandle, number: number, takenOver: boolean) {
    this.takenOver = takenOver;
    this.#directory = directory;
    this.#number = number;
  }

  /** Takes the lock. Throws `ERR_STORE_BUSY` when a living process holds it, `what` being named. */
  static take(directory: DirectoryHandle, what: string): MachineLock {
    const own = ownHolder();
    for (let tries = 0; tries < TRIES_LIMIT; tries++) {
      const highest = highestNumber(directory);
      const holder = highest === 0 ? undefined : readHolder(directory, highest);
      if (holder !== undefined && isAlive(holder)) {
        throw new StoreError("ERR_STORE_BUSY", `${what} is in use by process ${holder.pid}`);
      }
      const number = highest + 1;
      if (!createFileAtomically(directory, lockName(number), JSON.stringify(own))) continue;
      const lock = new MachineLock(directory, number, holder !== undefined);
      // Somebody may have gone through a whole life of the lock between our look and our step.
      if (highestNumber(directory) === number) {
        removeOlder(directory, number);
        return lock;
      }
      removeIfThere(directory, lockName(number));
    }
    throw new StoreError("ERR_STORE_BUSY", `${what} is in use: too many try to take it at once`);
  }

  /** Gives the lock back; once more does nothing. */
  release(): void {
    if (!this.#held) return;
    this.#held = false;
    // Emptying needs no space: a full disk must not keep the machine locked.
    fs.closeSync(this.#directory.openFile(lockName(this.#number), O_WRONLY | O_TRUNC));
  }

  [Symbol.dispose](): void {
    this.release();
  }
}

/** Whether a living process holds the lock of a machine's directory. */
export function isLocked(directory: DirectoryHandle): boolean {
  const highest = highestNumber(directory);
  const holder = highest === 0 ? undefined : readHolder(directory, highest);
  return holder !== undefined && isAlive(holder);
}

function lockName(number: number): Buffer {
  return Buffer.from(`.lock.${number}`);
}

function highestNumber(directory: DirectoryHandle): number {
  let highest = 0;
  for (const name of directory.names()) {
    const match = PATTERN.exec(name.toString("latin1"));
    if (match !== null) highest = Math.max(highest, Number(match[1]));
  }
  return highest;
}

function removeOlder(directory: DirectoryHandle, number: number): void {
  for (const name of directory.names()) {
    const match = PATTERN.exec(name.toString("latin1"));
    if (match !== null && Number(match[1]) < number) removeIfThere(directory, name);
  }
}

/** Undefined for a file that is gone or does not read: nobody alive stands behind it. */
function readHolder(directory: DirectoryHandle, number: number): Holder | undefined {
  const content = readSmallFile(directory, `.lock.${number}`);
  if (content === undefined) return undefined;
  let value: unknown;
  try {
    value = JSON.parse(content.toString());
  } catch {
    // Given back, or written before a power cut.
    return undefined;
  }
  const parsed = v.safeParse(HolderSchema, value);
  return parsed.success ? parsed.output : undefined;
}

function isAlive(holder: Holder): boolean {
  return holder.boot === bootId() && processStart(holder.pid) === holder.start;
}

function ownHolder(): Holder {
  return { pid: process.pid, start: processStart(process.pid) ?? "", boot: bootId() };
}

/** Identifies the time since the machine's last start. */
export function bootId(): string {
  return fs.readFileSync("/proc/sys/kernel/random/boot_id", "latin1").trim();
}

/** Start time of a process; undefined when there is none, or only its corpse. */
function processStart(pid: number): string | undefined {
  let stat: string;
  try {
    stat = fs.readFileSync(`/proc/${pid}/stat`, "latin1");
  } catch {
    return undefined;
  }
  // The second field is the program's name in parentheses, which may hold anything.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const state = fields[0];
  return state === "Z" || state === "X" ? undefined : fields[19];
}
