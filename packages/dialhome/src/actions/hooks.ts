import { resolve } from "node:path";
import { HOOK_POINTS, HookRunner, isHookPoint } from "@dialhome/reverse-backup";
import { usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";

/** Options about hooks. */
export interface HookFlags {
  readonly hook?: readonly string[];
  readonly hookTimeout?: number;
  readonly hookList?: boolean;
}

/** Reads `point:program`, the program a path or a name that is looked up in PATH. @throws DialhomeError */
export function openHooks(flags: HookFlags, io: CommandIo): HookRunner | undefined {
  if (flags.hook === undefined) return undefined;
  const programs: Partial<Record<keyof typeof HOOK_POINTS, string>> = {};
  for (const text of flags.hook) {
    const colon = text.indexOf(":");
    const point = text.slice(0, Math.max(0, colon));
    const program = text.slice(colon + 1);
    if (!isHookPoint(point)) {
      throw usageError(`hook "${text}": there is no point "${point}"; --hook-list shows them`);
    }
    if (program === "") throw usageError(`hook "${text}": no program behind the colon`);
    const isPath = program.includes("/") && !program.startsWith("~/");
    programs[point] = isPath ? resolve(io.cwd, program) : program;
  }
  return new HookRunner({ programs, timeoutMs: flags.hookTimeout ?? 0, signal: io.signal });
}

/** What `--hook-list` prints. */
export function hookList(): string {
  const points = Object.entries(HOOK_POINTS).map(([point, text]) => `  ${point}\n      ${text}\n`);
  return (
    `Points at which a program can run, in their order:\n\n${points.join("")}\n` +
    "A program must end with 0, or the backup ends there and nothing is published.\n"
  );
}
