import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

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
    // A public key, for instance, is no JSON.
    if (!line.startsWith("{")) return;
    const value: unknown = JSON.parse(line);
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what `--json` promises
    if (typeof value === "object" && value !== null) this.#onSaid(value as Said);
  }
}

/** How long a process may take to end when it is asked to. */
const END_MS = 5_000;

/** Runs a command to its end and gives what it said. */
export async function runDialhome(
  args: readonly string[],
  signal: AbortSignal,
): Promise<readonly Said[]> {
  const said: Said[] = [];
  await using command = new DialhomeProcess(args, signal, (one) => said.push(one));
  await command.succeed();
  return said;
}
