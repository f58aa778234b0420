import { appendFileSync, closeSync, openSync } from "node:fs";
import { DialhomeError, reasonOf } from "../errors.ts";
import { formatLogTime } from "./transfer-log.ts";

/** Files that lines are appended to, each opened once; after {@link reopen} anew, so that they can be rotated. */
export class LogFiles implements Disposable {
  readonly #open = new Map<string, number>();
  readonly #pid: number;

  constructor(pid: number) {
    this.#pid = pid;
  }

  /** Opens a file now, so that a wrong path is told at the start. */
  prepare(path: string): void {
    this.#descriptor(path);
  }

  /** Appends a line with time and process id in front. A full disk keeps nobody from being served. */
  write(path: string, line: string): void {
    const prefix = `${formatLogTime(new Date())} [${this.#pid}] `;
    try {
      appendFileSync(this.#descriptor(path), Buffer.from(`${prefix}${line}\n`, "latin1"));
    } catch {
      // There is nowhere left to say so.
    }
  }

  /** Closes all files; what is written next opens them again. */
  reopen(): void {
    for (const fd of this.#open.values()) closeSync(fd);
    this.#open.clear();
  }

  [Symbol.dispose](): void {
    this.reopen();
  }

  #descriptor(path: string): number {
    const known = this.#open.get(path);
    if (known !== undefined) return known;
    try {
      const fd = openSync(path, "a", 0o640);
      this.#open.set(path, fd);
      return fd;
    } catch (cause) {
      const message = `cannot write the log file "${path}": ${reasonOf(cause)}`;
      throw new DialhomeError("ERR_DIALHOME_REFUSED", message, { exitCode: 10, cause });
    }
  }
}
