import { appendFileSync, closeSync, openSync } from "node:fs";
import type { TunnelServerEvent } from "@dialhome/ssh-reverse";
import { DialhomeError, reasonOf } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { writeJsonLine } from "../terminal/json-lines.ts";
import { describeEvent } from "./describe-event.ts";
import { factsOf } from "./event-facts.ts";

interface ReportFlags {
  readonly json?: boolean;
  readonly quiet?: boolean;
  readonly verbose?: boolean;
}

/** Tells what a tunnel server does: to people or programs on its outputs, and to a log file. */
export class ServeReport implements Disposable {
  readonly #flags: ReportFlags;
  readonly #io: CommandIo;
  readonly #path: string | undefined;
  #file: number | undefined;

  /** @throws DialhomeError when the log file cannot be written */
  constructor(flags: ReportFlags, io: CommandIo, logFile: string | undefined) {
    this.#flags = flags;
    this.#io = io;
    this.#path = logFile;
    this.reopen();
  }

  /** Opens the log file anew: it may have been moved away. */
  reopen(): void {
    if (this.#path === undefined) return;
    this[Symbol.dispose]();
    try {
      this.#file = openSync(this.#path, "a", 0o640);
    } catch (cause) {
      const message = `cannot write the log file "${this.#path}": ${reasonOf(cause)}`;
      throw new DialhomeError("ERR_DIALHOME_FILE", message, { cause });
    }
  }

  readonly onEvent = (event: TunnelServerEvent): void => {
    const facts = { time: new Date().toISOString(), ...factsOf(event) };
    this.#append(facts);
    if (this.#flags.json === true) {
      writeJsonLine(this.#io.stdout, facts);
      return;
    }
    const { level, text } = describeEvent(event);
    if (level === "warning") this.#io.stderr.write(`dialhome: ${text}\n`);
    else if (this.#flags.quiet === true) return;
    else if (level === "notice" || this.#flags.verbose === true) this.#io.stdout.write(`${text}\n`);
  };

  /** Something about the server as a whole. */
  say(event: string, text: string, facts: Readonly<Record<string, unknown>> = {}): void {
    const line = { time: new Date().toISOString(), event, ...facts };
    this.#append(line);
    if (this.#flags.json === true) writeJsonLine(this.#io.stdout, line);
    else this.#io.stdout.write(`${text}\n`);
  }

  [Symbol.dispose](): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }

  /** A full disk keeps nobody from being served. */
  #append(line: Readonly<Record<string, unknown>>): void {
    if (this.#file === undefined) return;
    try {
      appendFileSync(this.#file, `${JSON.stringify(line)}\n`);
    } catch {
      // There is nowhere left to say so.
    }
  }
}
