import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, openSync, writeSync } from "node:fs";
import { hostname } from "node:os";
import { resolve } from "node:path";
import { isatty } from "node:tty";
import { lastBits, parseBlinkNumber, pickNumber } from "@dialhome/led-blink";
import { DialhomeError, reasonOf } from "../errors.ts";
import { describeFailure } from "../failure.ts";
import type { CommandIo } from "../io.ts";
import { printable } from "../terminal/printable.ts";

/** The options of `dialhome announce`. */
export interface AnnounceFlags {
  readonly argNum?: string;
  readonly wall?: boolean;
  readonly tty?: readonly string[];
}

/** wall(1) waits for terminals that take nothing; not longer than this, ms. */
const WALL_MS = 10_000;

/** `dialhome announce` */
export async function runAnnounce(
  args: readonly string[],
  flags: AnnounceFlags,
  io: CommandIo,
): Promise<number> {
  const line = announcement(args, flags);
  io.stdout.write(`${line}\n`);
  let code = 0;
  const attempt = async (act: () => Promise<void> | void): Promise<void> => {
    try {
      await act();
    } catch (error) {
      io.signal.throwIfAborted();
      code = 1;
      io.stderr.write(`dialhome: ${describeFailure(error)}\n`);
    }
  };
  for (const path of flags.tty ?? [])
    await attempt(() => writeTerminal(resolve(io.cwd, path), line));
  if (flags.wall) await attempt(() => runWall(line, io));
  return code;
}

function announcement(args: readonly string[], { argNum }: AnnounceFlags): string {
  const spec = parseBlinkNumber(argNum ?? String(args.length));
  const { value, bits } = pickNumber(spec, args);
  const what = `${printable(hostname())} is ${value + spec.less}`;
  // Without -n nobody blinks it.
  if (argNum === undefined) return what;
  return `${what}; dialhome blink shows it as ${lastBits(value, bits)} (1 is long)`;
}

function writeTerminal(path: string, line: string): void {
  let fd: number;
  try {
    // A line that nobody reads, or a terminal that was stopped, must not hold us up; nor may it become ours.
    fd = openSync(path, constants.O_WRONLY | constants.O_NOCTTY | constants.O_NONBLOCK);
  } catch (cause) {
    throw terminalError(path, reasonOf(cause), cause);
  }
  try {
    if (!isatty(fd)) throw terminalError(path, "it is none");
    writeSync(fd, `\r\n${line}\r\n`);
  } catch (cause) {
    if (cause instanceof DialhomeError) throw cause;
    throw terminalError(path, reasonOf(cause), cause);
  } finally {
    closeSync(fd);
  }
}

function terminalError(path: string, why: string, cause?: unknown): DialhomeError {
  const message = `cannot write to the terminal ${path}: ${why}`;
  return new DialhomeError("ERR_DIALHOME_FILE", message, { cause });
}

/**
 * wall(1) knows who is logged in (utmp, or logind where there is no utmp any more) and who wants no messages: that is not done again here, so
 * without it there is only `--tty`.
 */
async function runWall(line: string, { env, signal }: CommandIo): Promise<void> {
  const child = spawn("wall", [], {
    env,
    signal,
    timeout: WALL_MS,
    stdio: ["pipe", "ignore", "pipe"],
  });
  let complaint = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    complaint = (complaint + text).slice(0, 500);
  });
  child.stdin.on("error", () => undefined); // ended before it read: its exit code tells
  child.stdin.end(`${line}\n`);
  let why: string | undefined;
  try {
    const [code, killedBy] = await once(child, "close");
    if (code !== 0) why = complaint.trim() || `it ended with ${String(code ?? killedBy)}`;
  } catch (cause) {
    const isMissing = cause instanceof Error && Reflect.get(cause, "code") === "ENOENT";
    why = isMissing ? "it is not installed; --tty names a terminal" : reasonOf(cause);
  }
  if (why === undefined) return;
  throw new DialhomeError("ERR_DIALHOME_FILE", `cannot announce by wall(1): ${printable(why)}`);
}
