import { spawn } from "node:child_process";
import { once } from "node:events";
import * as os from "node:os";
import * as path from "node:path";
import { BackupError, quoted } from "../errors.ts";

/** The points at which a program of the user can run, in their order, with what it is given. */
export const HOOK_POINTS = {
  "script.start": "before the handshake; arguments: backup root",
  "script.handshake":
    "after the handshake; arguments: backup root, directory of the new tree, name",
  "rsync.pre":
    "before the transfer; arguments: backup root, directory, name, 1 if the device is privileged else 0; it must write nothing",
  "rsync.done":
    "after the transfer; arguments: backup root, directory, name, exit code; input: the problems, a line each; output: nothing, or an exit code instead (0, 23 and 24 are published)",
  "script.done":
    "after the publication; arguments: backup root, directory of the snapshot's tree, name",
} as const;

/** The name of a point of {@link HOOK_POINTS}. */
export type HookPoint = keyof typeof HOOK_POINTS;

/** Bytes of a hook's output that are read; more is an error. */
const OUTPUT_LIMIT = 64 * 1024;

export function isHookPoint(text: string): text is HookPoint {
  return Object.hasOwn(HOOK_POINTS, text);
}

/** Options of {@link HookRunner}. */
export interface HookOptions {
  /** Programs by point: a path (`~/` is the home directory), or a name that is looked up in PATH. */
  readonly programs: Readonly<Partial<Record<HookPoint, string>>>;
  /** Longest run of one hook, ms; 0 is for ever. Its whole process group is killed then. @defaultValue 0 */
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/** Runs hooks one after another. Exit code 0 lets the backup go on; anything else ends it. */
export class HookRunner {
  readonly #options: HookOptions;

  constructor(options: HookOptions) {
    this.#options = options;
  }

  /**
   * Runs the program at `point`, if there is one, and gives what it wrote to its standard output.
   * @throws BackupError `ERR_BACKUP_HOOK`
   */
  async run(point: HookPoint, args: readonly string[], input = ""): Promise<string> {
    const program = this.#options.programs[point];
    if (program === undefined) return "";
    const { timeoutMs = 0, signal } = this.#options;
    signal?.throwIfAborted();
    // A process group of its own, so that what the hook started ends with it.
    const child = spawn(expandHome(program), args, {
      stdio: ["pipe", "pipe", "inherit"],
      detached: true,
    });
    const kill = (): void => {
      if (child.pid === undefined) return;
      try {
        process.kill(-child.pid, "SIGKILL");
      } catch {
        // It has ended by itself.
      }
      // What left the group may hold on to it: nobody waits for that.
      child.stdout.destroy();
    };
    let why: string | undefined;
    const stop = (reason: string) => (): void => {
      why ??= reason;
      kill();
    };
    const timer =
      timeoutMs > 0
        ? setTimeout(stop(`ran for more than ${timeoutMs / 1000} s`), timeoutMs)
        : undefined;
    const onAbort = stop("was stopped");
    signal?.addEventListener("abort", onAbort, { once: true });
    let output = "";
    child.stdout.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      if (output.length > OUTPUT_LIMIT) stop(`wrote more than ${OUTPUT_LIMIT} bytes`)();
    });
    // A hook need not read its input.
    child.stdin.on("error", () => undefined);
    child.stdin.end(input);
    try {
      const [code, killedBy] = await once(child, "close");
      if (why === undefined && code !== 0) {
        why = killedBy ? `was killed by ${String(killedBy)}` : `ended with ${String(code)}`;
      }
    } catch (error) {
      why = error instanceof Error ? error.message : String(error);
    } finally {
      clearTimeout(timer);
      signal?.removeEventListener("abort", onAbort);
    }
    if (why !== undefined)
      throw new BackupError("ERR_BACKUP_HOOK", `hook ${point} (${quoted(program)}) ${why}`);
    return output;
  }
}

function expandHome(program: string): string {
  return program.startsWith("~/") ? path.join(os.homedir(), program.slice(2)) : program;
}
