import { readdirSync, readFileSync, readlinkSync } from "node:fs";
import { basename, join } from "node:path";

/** What /proc/PID/stat says; a pid and its start time name a process for good. */
export interface ProcessStat {
  readonly pid: number;
  /** The program's name in the kernel, 15 bytes at most. */
  readonly name: string;
  /** One letter of proc(5); `Z` and `X` have ended. */
  readonly state: string;
  readonly parentPid: number;
  /** Clock ticks since boot. */
  readonly startTicks: number;
}

/** Parses the line of /proc/PID/stat; undefined where it is none. The name may hold blanks and brackets. */
export function parseStat(text: string): ProcessStat | undefined {
  const open = text.indexOf("(");
  const close = text.lastIndexOf(")");
  if (open < 0 || close < open) return undefined;
  const fields = text.slice(close + 2).split(" ");
  const pid = Number(text.slice(0, open));
  const parentPid = Number(fields[1]);
  const startTicks = Number(fields[19]); // field 22 of proc(5), and the first of these is the third
  if (![pid, parentPid, startTicks].every((number) => Number.isSafeInteger(number)))
    return undefined;
  return { pid, name: text.slice(open + 1, close), state: fields[0] ?? "", parentPid, startTicks };
}

/** Whether a process has not ended; what is left of it until its parent asked for its exit code does not count. */
export function isRunning({ state }: ProcessStat): boolean {
  return state !== "Z" && state !== "X";
}

/** The processes of this machine, read from /proc. Whatever vanishes meanwhile, or may not be seen, is undefined. */
export class ProcessTable {
  readonly path: string;

  constructor(path = "/proc") {
    this.path = path;
  }

  /** @throws Error of the system where there is no /proc */
  pids(): number[] {
    return readdirSync(this.path)
      .filter((name) => /^\d+$/.test(name))
      .map(Number);
  }

  stat(pid: number): ProcessStat | undefined {
    return attempt(() => parseStat(this.#read(pid, "stat")));
  }

  /** The user that a process is, where its real, effective, saved and file system ids are one. */
  uid(pid: number): number | undefined {
    const ids = attempt(() => /^Uid:\s+(.*)$/m.exec(this.#read(pid, "status"))?.[1]?.split(/\s+/));
    const [first] = ids ?? [];
    if (first === undefined || ids?.length !== 4 || ids.some((id) => id !== first))
      return undefined;
    return Number(first);
  }

  /** The command line as one text; a program that sets a title of its own leaves it padded with zeros. */
  title(pid: number): string | undefined {
    return attempt(() => this.#read(pid, "cmdline").replace(/\0+$/, "").replaceAll("\0", " "));
  }

  /** Name of the program's file, without the folder; undefined also for want of the right to see it. */
  program(pid: number): string | undefined {
    const path = attempt(() => readlinkSync(join(this.path, String(pid), "exe")));
    return path === undefined ? undefined : basename(path.replace(/ \(deleted\)$/, ""));
  }

  /** The network namespace, as a word that is the same for the same one. */
  network(pid: number): string | undefined {
    return attempt(() => readlinkSync(join(this.path, String(pid), "ns", "net")));
  }

  /** Inodes of the sockets that a process holds. */
  sockets(pid: number): Set<string> | undefined {
    const folder = join(this.path, String(pid), "fd");
    const names = attempt(() => readdirSync(folder));
    if (names === undefined) return undefined;
    const inodes = names.map((name) => {
      const link = attempt(() => readlinkSync(join(folder, name)));
      return /^socket:\[(\d+)\]$/.exec(link ?? "")?.[1];
    });
    return new Set(inodes.filter((inode) => inode !== undefined));
  }

  #read(pid: number, name: string): string {
    return readFileSync(join(this.path, String(pid), name), "latin1");
  }
}

function attempt<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch {
    return undefined;
  }
}
