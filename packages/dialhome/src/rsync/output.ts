import { closeSync, openSync, writeSync } from "node:fs";
import { resolve } from "node:path";
import { RsyncError } from "@dialhome/rsync-protocol";
import { reasonOf } from "../errors.ts";
import type { CommandIo, TextOutput } from "../io.ts";
import { formatTimestamp } from "./listing.ts";
import { charsetOf, escapeOutput, type OutputCharset } from "./output-text.ts";
import type { RsyncSettings } from "./settings.ts";

/** Where lines go: the terminal, and the file of `--log-file`. All text is a latin1 view of bytes. */
export class RsyncOutput implements Disposable {
  readonly #io: CommandIo;
  readonly #out: TextOutput;
  readonly #isQuiet: boolean;
  readonly #charset: OutputCharset;
  #log: number | undefined;
  #needsNewline = false;

  /** @throws RsyncError with exit code 11 when the log file cannot be opened */
  constructor({ flags, stderr, logFile }: RsyncSettings, io: CommandIo) {
    this.#io = io;
    this.#out = stderr === "all" ? io.stderr : io.stdout;
    this.#isQuiet = flags.has("quiet");
    this.#charset = flags.has("eightBit") ? "8bit" : charsetOf(io.env);
    if (logFile === undefined) return;
    try {
      this.#log = openSync(resolve(io.cwd, logFile), "a", 0o644);
    } catch (cause) {
      const message = `failed to open log-file ${logFile}: ${reasonOf(cause)}`;
      throw new RsyncError("ERR_RSYNC_FILE", message, { cause });
    }
  }

  /** A line for a person and for the log. */
  info(line: string): void {
    this.log(line);
    this.say(line);
  }

  /** A line for a person alone. */
  say(line: string): void {
    if (this.#isQuiet) return;
    this.#endLine();
    this.#out.write(Buffer.from(`${escapeOutput(line, this.#charset)}\n`, "latin1"));
  }

  /** A line that is written over by the next one, which begins with `\r`; ASCII. */
  sayOver(text: string): void {
    if (this.#isQuiet) return;
    this.#out.write(text);
    this.#needsNewline = !text.endsWith("\n");
  }

  /** A line about something that went wrong. */
  complain(line: string): void {
    this.log(line);
    // As rsync does: a line that waits for its end on standard output goes on there afterwards.
    if (this.#needsNewline) this.#io.stderr.write("\n");
    this.#needsNewline = false;
    const shown = escapeOutput(`dialhome: ${line}`, this.#charset);
    this.#io.stderr.write(Buffer.from(`${shown}\n`, "latin1"));
  }

  /** A line for the log alone. */
  log(line: string): void {
    if (this.#log === undefined) return;
    const stamp = `${formatTimestamp(Date.now() / 1000)} [${process.pid}] `;
    // Nothing in a log may command the terminal of whoever reads it.
    const escaped = escapeOutput(line, "log");
    writeSync(this.#log, Buffer.from(`${stamp}${escaped}\n`, "latin1"));
  }

  #endLine(): void {
    if (this.#needsNewline) this.#out.write("\n");
    this.#needsNewline = false;
  }

  [Symbol.dispose](): void {
    this.#endLine();
    if (this.#log !== undefined) closeSync(this.#log);
    this.#log = undefined;
  }
}
