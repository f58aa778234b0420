import { type ChildProcessWithoutNullStreams, spawn } from "node:child_process";
import * as path from "node:path";
import { createInterface, type Interface } from "node:readline";
import { fileURLToPath } from "node:url";

const SCRIPTS = {
  "crash-child.ts": new URL("./crash-child.ts", import.meta.url),
  "full-child.ts": new URL("./full-child.ts", import.meta.url),
  "lock-child.ts": new URL("./lock-child.ts", import.meta.url),
} as const;

const PACKAGE = path.join(import.meta.dirname, "../../..");

/** A script of this folder in a process of its own. */
export interface ScriptChild {
  readonly child: ChildProcessWithoutNullStreams;
  /** Its next line on standard output; undefined when it has ended. */
  readonly line: () => Promise<string | undefined>;
  /** Exit code or signal. */
  readonly ended: Promise<number | string>;
  readonly errors: () => string;
}

export function runScript(script: keyof typeof SCRIPTS, ...args: string[]): ScriptChild {
  return runCommand(process.execPath, ...scriptArguments(script, ...args));
}

/** What follows `node` to run a script of this folder from its source. */
export function scriptArguments(script: keyof typeof SCRIPTS, ...args: string[]): string[] {
  const file = fileURLToPath(SCRIPTS[script]);
  return ["--conditions=@dialhome/source", "--import=tsx", file, ...args];
}

export function runCommand(command: string, ...args: string[]): ScriptChild {
  const child = spawn(command, args, { cwd: PACKAGE, stdio: "pipe" });
  const lines: Interface = createInterface({ input: child.stdout });
  const iterator = lines[Symbol.asyncIterator]();
  let errors = "";
  child.stderr.on("data", (chunk: Buffer) => {
    errors += chunk.toString();
  });
  child.stdin.on("error", () => {});
  const ended = new Promise<number | string>((resolve) => {
    child.on("close", (code, signal) => resolve(code ?? signal ?? ""));
  });
  return {
    child,
    line: async () => {
      const next = await iterator.next();
      return next.done === true ? undefined : next.value;
    },
    ended,
    errors: () => errors,
  };
}
