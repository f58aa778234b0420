import { fileURLToPath } from "node:url";
import { type Ended, type ProgramOptions, type Running, start } from "./processes.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The program and first arguments of the command line as users get it: the bundle, which is made before the tests
 * run. It starts sooner than the sources: `--version` took a third of the CPU time (0.16 and 0.51 s, medians of five), a
 * small local `rsync` a sixth (0.31 and 1.8 s).
 */
export const DIALHOME: readonly [string, ...string[]] = [
  process.execPath,
  `${ROOT}packages/dialhome/dist/bundle/dialhome.cjs`,
];

/** How a TypeScript file is run from its sources, without a build. */
export const FROM_SOURCE: readonly [string, ...string[]] = [
  process.execPath,
  "--conditions=@dialhome/source",
  `--import=${import.meta.resolve("tsx")}`,
];

export interface DialhomeOptions extends ProgramOptions {
  /** A program that runs the command, such as `["ip", "netns", "exec", NAME]`. */
  readonly through?: readonly string[];
}

/** Starts `dialhome ARGS` as a process of its own; `kill()` is kill -9. */
export function startDialhome(args: readonly string[], options: DialhomeOptions = {}): Running {
  const [program, ...rest] = [...(options.through ?? []), ...DIALHOME, ...args];
  if (program === undefined) throw new Error("no program");
  return start(program, rest, options);
}

/** Runs `dialhome ARGS` to its end. */
export function runDialhome(
  args: readonly string[],
  options: DialhomeOptions = {},
): Promise<Ended> {
  return startDialhome(args, options).ended;
}
