import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { buildSync } from "esbuild";

/** A message to or from a program: one line of JSON. */
export type Message = Readonly<Record<string, unknown>>;

const ROOT = fileURLToPath(new URL("../..", import.meta.url));
const made = new Map<string, string>();

/**
 * One file of a program, as the command line is made. From the sources each function would carry its name as a property, which is a
 * third of a tunnel's memory.
 */
function bundled(file: string): string {
  const known = made.get(file);
  if (known !== undefined) return known;
  const outfile = join(ROOT, "node_modules/.cache/dialhome-bench", file.replace(/\.ts$/, ".mjs"));
  buildSync({
    entryPoints: [fileURLToPath(new URL(`programs/${file}`, import.meta.url))],
    outfile,
    bundle: true,
    format: "esm",
    platform: "node",
    target: "node20",
    conditions: ["@dialhome/source"],
    external: ["ssh2"],
    logLevel: "error",
  });
  made.set(file, outfile);
  return outfile;
}

/** One of the programs beside this file in a process of its own: gets and gives lines of JSON. Disposal kills it. */
export class LineProcess implements AsyncDisposable {
  readonly pid: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  constructor(file: string, settings: Message, nodeFlags: readonly string[] = []) {
    const args = [...nodeFlags, bundled(file), JSON.stringify(settings)];
    this.#child = spawn(process.execPath, args, {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.pid = this.#child.pid ?? -1;
    if (this.#child.stdout === null) throw new Error("no output");
    this.#lines = createInterface({ input: this.#child.stdout })[Symbol.asyncIterator]();
  }

  /** The next line that it writes. */
  async next(): Promise<Message> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the process ended");
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- our own programs write it
    return JSON.parse(value) as Message;
  }

  /** Asks for something, and waits for the answer. */
  async ask(message: Message): Promise<Message> {
    this.#child.stdin?.write(`${JSON.stringify(message)}\n`);
    return this.next();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const closed = once(this.#child, "close");
    this.#child.kill("SIGTERM");
    await closed;
  }
}
