import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { PassThrough } from "node:stream";
import { fileURLToPath } from "node:url";
import { main } from "../main.ts";

/** What a command said: one JSON object of its standard output. */
export type Said = Readonly<Record<string, unknown>>;

/** The command line itself, run as this process is: from its sources, or compiled. */
const BIN = fileURLToPath(
  new URL(import.meta.url.endsWith(".ts") ? "../bin.ts" : "../bin.js", import.meta.url),
);

/** A `dialhome` process of its own. Disposal ends it in good order, by force after a while. */
export class DialhomeProcess implements AsyncDisposable {
  readonly #child: ChildProcess;
  readonly #ended: Promise<unknown[]>;
  readonly #onSaid: (said: Said) => void;
  #stderr = "";

  /** @param onSaid - hears each line of its standard output that is JSON */
  constructor(args: readonly string[], signal: AbortSignal, onSaid: (said: Said) => void) {
    this.#onSaid = onSaid;
    this.#child = spawn(process.execPath, [...process.execArgv, BIN, ...args], {
      stdio: ["ignore", "pipe", "pipe"],
      // A Ctrl-C of the terminal goes to the demo alone, which ends its processes one after the other.
      detached: true,
    });
    this.#ended = once(this.#child, "close");
    this.#ended.catch(() => undefined);
    signal.addEventListener("abort", this.#stop, { once: true });
    this.#child.once("close", () => signal.removeEventListener("abort", this.#stop));
    const { stdout, stderr } = this.#child;
    if (stdout === null || stderr === null) throw new Error("no pipes");
    createInterface({ input: stdout }).on("line", (line) => this.#hear(line));
    stderr.setEncoding("utf8").on("data", (text: string) => {
      this.#stderr += text;
    });
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** Resolves when it has ended with 0. @throws Error with what it wrote to standard error */
  async succeed(): Promise<void> {
    const [code] = await this.#ended;
    if (code === 0) return;
    throw new Error(this.#stderr.trim() || `dialhome ended with ${String(code)}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    const timer = setTimeout(() => this.#child.kill("SIGKILL"), END_MS);
    await this.#ended.catch(() => undefined);
    clearTimeout(timer);
  }

  readonly #stop = (): void => {
    if (this.#child.exitCode === null && this.#child.signalCode === null) {
      this.#child.kill("SIGTERM");
    }
  };

  #hear(line: string): void {
    for (const said of readSaid(line)) this.#onSaid(said);
  }
}

/** How long a process may take to end when it is asked to. */
const END_MS = 5_000;

/** Runs a device's command as a process of its own, to its end. @throws Error with what it wrote to standard error */
export async function runAsDevice(args: readonly string[], signal: AbortSignal): Promise<void> {
  await using command = new DialhomeProcess(args, signal, () => undefined);
  await command.succeed();
}

/** Runs a command that needs no process of its own in this one, and gives what it said. */
export async function runHere(
  args: readonly string[],
  signal: AbortSignal,
): Promise<readonly Said[]> {
  const stdout = new PassThrough({ encoding: "utf8" });
  const stderr = new PassThrough({ encoding: "utf8" });
  const { env, stdin } = process;
  const code = await main(args, { stdin, stdout, stderr, env, cwd: process.cwd(), signal });
  signal.throwIfAborted();
  if (code !== 0) throw new Error(String(stderr.read() ?? `dialhome ended with ${code}`).trim());
  const lines = String(stdout.read() ?? "").split("\n");
  return lines.flatMap(readSaid);
}

/** A line of `--json`; other lines, such as a public key, say nothing to a program. */
function readSaid(line: string): readonly Said[] {
  if (!line.startsWith("{")) return [];
  const value: unknown = JSON.parse(line);
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `--json` promises
  return typeof value === "object" && value !== null ? [value as Said] : [];
}
