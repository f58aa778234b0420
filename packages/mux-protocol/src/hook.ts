import { spawn } from "node:child_process";
import { once } from "node:events";
import { HOOK } from "./constants.ts";
import { MuxError } from "./mux-error.ts";

/** What is run after a negotiation, with both ports appended to its arguments. */
export interface MuxHookOptions {
  /** Program and arguments, as {@link splitHookCommand} gives them. */
  readonly command: readonly string[];
  readonly sshPort: number;
  readonly tunnelPort: number;
  /** All of its environment. @defaultValue that of this process */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Longest run; its process group is killed then. @defaultValue 60_000 (ms) */
  readonly timeoutMs?: number;
  /** Kills it. */
  readonly signal?: AbortSignal;
}

/** What became of a hook. */
export type MuxHookResult =
  | { readonly is: "ended"; readonly code: number }
  | { readonly is: "killed"; readonly signal: string }
  | { readonly is: "timeout"; readonly timeoutMs: number }
  | { readonly is: "aborted" }
  /** It could not be started. */
  | { readonly is: "not-started"; readonly reason: string };

/**
 * The words of a command as `ssh-reverse-mux-client -c` takes them: given once it is split at blanks, without quoting; given
 * several times each is one word.
 *
 * @throws MuxError `ERR_MUX_OPTION` when there is no program among them
 */
export function splitHookCommand(given: readonly string[]): readonly string[] {
  const [first = ""] = given;
  const words = given.length === 1 ? first.split(/\s+/).filter((word) => word !== "") : given;
  const [program = ""] = words;
  if (program === "") throw new MuxError("ERR_MUX_OPTION", "the hook names no program");
  if (words.some((word) => word.includes("\0"))) {
    throw new MuxError("ERR_MUX_OPTION", "a word of the hook has a zero byte");
  }
  return words;
}

/**
 * Runs a hook to its end: the program, looked up in PATH, its arguments, the SSH port and the tunnel's port. No shell is asked. It has no input, and
 * what it writes goes to standard error: standard output belongs to the ports. Never rejects; what it started in a session of
 * its own, as `dialhome blink -f` does, goes on.
 */
export async function runMuxHook(options: MuxHookOptions): Promise<MuxHookResult> {
  const { command, sshPort, tunnelPort, env, signal, timeoutMs = HOOK.timeoutMs } = options;
  if (signal?.aborted) return { is: "aborted" };
  const [program = "", ...args] = command;
  const child = spawn(program, [...args, String(sshPort), String(tunnelPort)], {
    stdio: ["ignore", 2, 2],
    detached: true,
    ...(env === undefined ? {} : { env }),
  });
  let stopped: MuxHookResult | undefined;
  const stop = (result: MuxHookResult) => (): void => {
    if (child.pid === undefined) return;
    stopped ??= result;
    try {
      process.kill(-child.pid, "SIGKILL");
    } catch {
      // It has ended by itself.
    }
  };
  const timer = setTimeout(stop({ is: "timeout", timeoutMs }), timeoutMs);
  const onAbort = stop({ is: "aborted" });
  signal?.addEventListener("abort", onAbort, { once: true });
  try {
    const [code, killedBy] = await once(child, "close");
    if (stopped !== undefined) return stopped;
    if (typeof code === "number") return { is: "ended", code };
    return { is: "killed", signal: String(killedBy) };
  } catch (error) {
    return { is: "not-started", reason: error instanceof Error ? error.message : String(error) };
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", onAbort);
  }
}

/** A result in a few words, for the registry and for messages. */
export function describeHookResult(result: MuxHookResult): string {
  switch (result.is) {
    case "ended":
      return result.code === 0 ? "done" : `exit code ${result.code}`;
    case "killed":
      return `killed by ${result.signal}`;
    case "timeout":
      return `killed after ${result.timeoutMs / 1000} s`;
    case "aborted":
      return "stopped";
    case "not-started":
      return `not started: ${result.reason}`;
    default:
      throw new Error(`no such result: ${String(result satisfies never)}`);
  }
}
