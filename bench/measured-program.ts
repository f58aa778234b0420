import { type ChildProcess, type StdioOptions, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";

/** On which side of the connection a program works. */
export type Side = "device" | "host";

/** What a program cost. */
export interface ProgramCost {
  readonly role: string;
  readonly side: Side;
  /** User and system time of the program and every child it waited for, start-up included (from wait4, by bash's `times`). */
  readonly cpuSeconds: number;
  /** Largest resident size of any one process of it (VmHWM, looked at every 50 ms). */
  readonly peakRssKiB: number;
}

const SAMPLE_MS = 50;

/** Clock ticks of /proc/PID/stat a second; it is 100 on every Linux that Node runs on. */
const TICKS = 100;

// The shell waits for the program, so that `times` knows the CPU of it and its children; its second line is theirs.
const WRAPPER =
  'pid=$1 out=$2; shift 2; "$@" <&0 & echo $! >"$pid"; wait $!; rc=$?; times >"$out"; exit $rc';

const seconds = (text: string): number => {
  const [, minutes, rest] = /(\d+)m([\d.]+)s/.exec(text) ?? [];
  if (minutes === undefined || rest === undefined) throw new Error(`not a time: ${text}`);
  return Number(minutes) * 60 + Number(rest);
};

export interface ProgramSetting {
  readonly role: string;
  readonly side: Side;
  readonly argv: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
  /** Leave standard input open: the program lives until `endInput()`. */
  readonly holdInput?: boolean;
}

/** A program whose CPU time and memory are measured. What it writes goes to files, so that nobody waits for us. */
export class MeasuredProgram implements AsyncDisposable {
  readonly #setting: ProgramSetting;
  readonly #folder: string;
  readonly #child: ChildProcess;
  readonly #sampler: NodeJS.Timeout;
  readonly #closed: Promise<unknown[]>;
  #peakRssKiB = 0;
  /** When it ended, on the clock of `performance.now()`; undefined while it runs. */
  endedAt: number | undefined;

  constructor(setting: ProgramSetting, scratch: string) {
    this.#setting = setting;
    this.#folder = mkdtempSync(join(scratch, `${setting.role}-`));
    const output = openSync(join(this.#folder, "stdout"), "w");
    const errors = openSync(join(this.#folder, "stderr"), "w");
    const stdio: StdioOptions = [setting.holdInput === true ? "pipe" : "ignore", output, errors];
    const files = [join(this.#folder, "pid"), join(this.#folder, "times")];
    this.#child = spawn("bash", ["-c", WRAPPER, "-", ...files, ...setting.argv], {
      stdio,
      env: { ...process.env, ...setting.env },
    });
    closeSync(output);
    closeSync(errors);
    this.#closed = once(this.#child, "close");
    this.#child.once("close", () => {
      this.endedAt = performance.now();
      clearInterval(this.#sampler);
    });
    this.#sampler = setInterval(() => this.#sample(), SAMPLE_MS);
  }

  get stdout(): string {
    return readFileSync(join(this.#folder, "stdout"), "utf8");
  }

  get stderr(): string {
    return readFileSync(join(this.#folder, "stderr"), "utf8");
  }

  /** CPU seconds of the program's own process so far (not of its children); what a resident server has used. */
  cpuSecondsSoFar(): number {
    const stat = readFileSync(`/proc/${this.#pid()}/stat`, "utf8");
    const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return (Number(fields[11]) + Number(fields[12])) / TICKS; // utime and stime, proc(5)
  }

  /** Resolves when `look` gives something other than undefined; rejects when the program ends before or nothing comes. */
  async until<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
    const giveUpAt = performance.now() + 20_000;
    for (;;) {
      const seen = await look();
      if (seen !== undefined) return seen;
      if (this.endedAt !== undefined || performance.now() > giveUpAt) {
        throw new Error(`${this.#setting.role}: no ${what}: ${this.stdout}${this.stderr}`);
      }
      await new Promise((resolve) => {
        setTimeout(resolve, 2);
      });
    }
  }

  endInput(): void {
    this.#child.stdin?.end();
  }

  /** Waits for the end; throws with what it said unless it exits with 0. */
  async succeed(): Promise<void> {
    await this.#closed;
    if (this.#child.exitCode === 0) return;
    throw new Error(
      `${this.#setting.role} ended with ${this.#child.exitCode}: ${this.stderr.slice(-2_000)}`,
    );
  }

  /** Ends it with a signal and waits. */
  async stop(signal: NodeJS.Signals = "SIGTERM"): Promise<void> {
    if (this.endedAt !== undefined) return;
    try {
      process.kill(this.#pid(), signal);
    } catch {
      // ended meanwhile
    }
    await this.#closed;
  }

  /** What it cost; only after its end. */
  cost(): ProgramCost {
    const [user = "", system = ""] =
      readFileSync(join(this.#folder, "times"), "utf8").split("\n")[1]?.split(" ") ?? [];
    const { role, side } = this.#setting;
    const cpuSeconds = seconds(user) + seconds(system);
    return { role, side, cpuSeconds, peakRssKiB: this.#peakRssKiB };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.endedAt === undefined) {
      await this.until("pid", () => (Number.isNaN(this.#pid()) ? undefined : true)).catch(() => {});
    }
    await this.stop("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true });
  }

  #pid(): number {
    return Number.parseInt(readFileSync(join(this.#folder, "pid"), "utf8"), 10);
  }

  /** Looks at the peak size of every process below the shell. */
  #sample(): void {
    const pids = [...childrenOf(this.#child.pid ?? -1)];
    for (const pid of pids) {
      try {
        const status = readFileSync(`/proc/${pid}/status`, "utf8");
        const peak = Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0);
        this.#peakRssKiB = Math.max(this.#peakRssKiB, peak);
      } catch {
        // ended meanwhile
      }
    }
  }
}

function* childrenOf(pid: number): Generator<number> {
  let children = "";
  try {
    children = readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8");
  } catch {
    return;
  }
  for (const child of children.split(" ").filter((text) => text !== "")) {
    yield Number(child);
    yield* childrenOf(Number(child));
  }
}
