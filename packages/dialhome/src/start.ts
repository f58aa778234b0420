import { type ChildProcess, spawn } from "node:child_process";
import { setMaxListeners } from "node:events";
import process from "node:process";
import { setImmediate } from "node:timers/promises";
import { setFlagsFromString } from "node:v8";
import { exactArguments } from "./argument-bytes.ts";
import { reasonOf } from "./errors.ts";
import { EXIT_CODE, SIGNAL_EXIT_BASE } from "./exit-codes.ts";
import { Interrupted, type ProcessFace } from "./io.ts";
import { main } from "./main.ts";

const SIGNALS = { SIGINT: 2, SIGTERM: 15, SIGHUP: 1 } as const;

/** Makes this process a run of the command line: its arguments, streams, signals and exit code. */
export function start(): void {
  // The young generation stays at its first size: what passes through here dies at once, and room for more of it only takes memory.
  setFlagsFromString("--semi-space-growth-factor=1");
  const stop = new AbortController();
  // All that is under way listens.
  setMaxListeners(0, stop.signal);
  let onHangup: (() => void) | undefined;
  for (const [name, number] of Object.entries(SIGNALS)) {
    process.on(name, () => {
      if (name === "SIGHUP" && onHangup !== undefined) {
        onHangup();
        return;
      }
      // Asked twice, the answer is no longer "in good order".
      if (stop.signal.aborted) process.exit(SIGNAL_EXIT_BASE + number);
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the keys of the table above
      stop.abort(new Interrupted(name as NodeJS.Signals));
    });
  }
  let outputError: Error | undefined;
  for (const stream of [process.stdout, process.stderr]) {
    stream.on("error", (error: NodeJS.ErrnoException) => {
      // Whoever read this has gone: there is nobody left to tell.
      if (error.code === "EPIPE") stop.abort(new Interrupted("SIGPIPE"));
      // A full disk under a log, or a terminal that is gone, is no reason to end a server or half a backup.
      else if (stream === process.stdout) outputError ??= error;
    });
  }
  const face: ProcessFace = {
    program: process.argv.slice(0, 2),
    startAgain,
    onUp,
    onHangup: (listener) => {
      onHangup = listener;
      return () => {
        onHangup = undefined;
      };
    },
    become,
  };
  void run(stop.signal, face, () => outputError);
}

/** Never rejects but for a bug, and then the process ends with it. */
async function run(
  signal: AbortSignal,
  self: ProcessFace,
  outputError: () => Error | undefined,
): Promise<void> {
  const code = await main(exactArguments(process.argv.slice(2)), {
    // Opened only by a command that reads it.
    get stdin() {
      return process.stdin;
    },
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    cwd: process.cwd(),
    signal,
    process: self,
  });
  // What became of the last write is told in the next turn.
  await setImmediate();
  const lost = outputError();
  if (lost !== undefined) {
    process.stderr.write(`dialhome: cannot write to standard output: ${reasonOf(lost)}\n`);
  }
  // rsync's own does what it was asked for all the same, and 1 would mean something else there.
  const isRsync = process.argv[2] === "rsync";
  process.exitCode =
    code === EXIT_CODE.done && lost !== undefined && !isRsync ? EXIT_CODE.failed : code;
}

function startAgain(args: readonly string[]): ChildProcess {
  const [interpreter = process.execPath, program = ""] = process.argv;
  return spawn(interpreter, [...process.execArgv, program, ...args], {
    detached: true,
    stdio: ["ignore", "ignore", "pipe", "ipc"],
  });
}

/** The folder that it was started in may go; who waits at the other end is told, and let go. */
function onUp(): void {
  if (process.send === undefined) return;
  process.chdir("/");
  process.send("up", () => process.disconnect());
}

/** Groups first: a user who is not root may not change them, and keeps those that there are. */
function become(user: string | undefined, group: string | undefined): void {
  if (group !== undefined) {
    if (process.getuid?.() === 0) process.setgroups?.([idOf(group)]);
    process.setgid?.(idOf(group));
  }
  if (user !== undefined) process.setuid?.(idOf(user));
}

function idOf(text: string): string | number {
  return /^\d+$/.test(text) ? Number(text) : text;
}
