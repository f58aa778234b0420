import { type ChildProcess, type SpawnOptions, spawn } from "node:child_process";
import { once } from "node:events";

/** How a program ended, and all it wrote. */
export interface Ended {
  /** The exit code; null when a signal ended it. */
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** A program that runs beside the test. Disposal kills it, with its process group, and waits for its end. */
export interface Running extends AsyncDisposable {
  readonly child: ChildProcess;
  readonly pid: number;
  /** What it has written so far. */
  readonly stdout: string;
  readonly stderr: string;
  readonly ended: Promise<Ended>;
  /** Resolves with the match as soon as the stream's text matches; rejects when the program ends before. */
  waitFor(stream: "stdout" | "stderr", pattern: RegExp): Promise<RegExpExecArray>;
  /** Sends a signal to the program and everything it started. @defaultValue "SIGKILL" */
  kill(signal?: NodeJS.Signals): void;
}

/** Where and with what a program runs; `stdin` is a pipe when asked for, empty otherwise. */
export interface ProgramOptions {
  readonly cwd?: string;
  /** Added to this process's environment; undefined removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  readonly stdin?: "pipe" | "ignore";
}

/** Starts a program in a process group of its own and collects what it writes. */
export function start(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Running {
  const env = { ...process.env, ...options.env };
  const spawnOptions: SpawnOptions = {
    detached: true,
    stdio: [options.stdin ?? "ignore", "pipe", "pipe"],
    env,
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
  };
  const child = spawn(program, args, spawnOptions);
  const text = { stdout: "", stderr: "" };
  const watchers = new Set<() => void>();
  const notify = (): void => {
    for (const watch of watchers) watch();
  };
  for (const name of ["stdout", "stderr"] as const) {
    child[name]?.setEncoding("utf8").on("data", (chunk: string) => {
      text[name] += chunk;
      notify();
    });
  }
  let result: Ended | undefined;
  const ended = (async (): Promise<Ended> => {
    const [code, signal] = (await once(child, "close")) as [number | null, NodeJS.Signals | null];
    result = { code, signal, ...text };
    notify();
    return result;
  })();
  ended.catch(() => {}); // a program that cannot be started: whoever awaits `ended` is told

  const kill = (signal: NodeJS.Signals = "SIGKILL"): void => {
    if (child.pid === undefined) return;
    try {
      process.kill(-child.pid, signal);
    } catch {
      // gone already
    }
  };

  return {
    child,
    pid: child.pid ?? -1,
    get stdout() {
      return text.stdout;
    },
    get stderr() {
      return text.stderr;
    },
    ended,
    kill,
    waitFor: (stream, pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const match = pattern.exec(text[stream]);
          if (match === null && result === undefined) return;
          watchers.delete(look);
          if (match !== null) resolve(match);
          else {
            const end = `${result?.code ?? result?.signal}`;
            reject(new Error(`ended (${end}) before ${pattern}:\n${text.stdout}\n${text.stderr}`));
          }
        };
        watchers.add(look);
        look();
      }),
    async [Symbol.asyncDispose]() {
      kill("SIGKILL");
      await ended.catch(() => {});
    },
  };
}

/** Runs a program to its end. */
export async function run(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<Ended> {
  return start(program, args, options).ended;
}

/** Runs a program to its end; throws with what it wrote unless it exits with 0. Resolves with its standard output. */
export async function runOk(
  program: string,
  args: readonly string[],
  options: ProgramOptions = {},
): Promise<string> {
  const { code, signal, stdout, stderr } = await run(program, args, options);
  if (code !== 0)
    throw new Error(`${program} ${args.join(" ")}: ${code ?? signal}\n${stdout}${stderr}`);
  return stdout;
}
