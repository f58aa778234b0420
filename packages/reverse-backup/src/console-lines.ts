import type { Duplex, Readable, Writable } from "node:stream";
import { LINE_BYTES_LIMIT } from "./constants.ts";
import { BackupError, quoted } from "./errors.ts";

/** Two streams, or the two directions of one. */
export interface Console {
  readonly input: Readable;
  readonly output: Writable;
}

/** Both directions of one stream. */
export function consoleOf(stream: Duplex): Console {
  return { input: stream, output: stream };
}

/**
 * The console of a session as lines and bytes: what is read is asked for, one piece after another, each within a time of its own.
 * The stream stays the caller's.
 */
export class ConsoleLines {
  readonly #input: Readable;
  readonly #output: Writable;
  /** Who is at the other end, for messages. */
  readonly #peer: string;
  #buffered = Buffer.alloc(0);
  #over = false;
  #error: Error | undefined;
  readonly #wakers = new Set<() => void>();

  constructor({ input, output }: Console, peer: string) {
    this.#input = input;
    this.#output = output;
    this.#peer = peer;
    input.on("data", (chunk: Buffer) => {
      this.#buffered = Buffer.concat([this.#buffered, chunk]);
      // Nobody needs to send so much ahead of what is read.
      if (this.#buffered.length > LINE_BYTES_LIMIT) input.pause();
      this.#wake();
    });
    const over = (): void => {
      this.#over = true;
      this.#wake();
    };
    const failed = (error: Error): void => {
      this.#error = error;
      over();
    };
    input.on("end", over);
    input.on("close", over);
    input.on("error", failed);
    // A broken pipe: what was to be said is lost, and so is whoever should have heard it.
    output.on("error", failed);
  }

  writeLine(line: string): void {
    this.#output.write(`${line}\n`);
  }

  /**
   * The next line, without its end.
   * @param timeoutMs - 0 is for ever
   */
  async readLine(what: string, timeoutMs: number, signal?: AbortSignal): Promise<string> {
    await this.#until(what, timeoutMs, signal, () => {
      if (this.#buffered.includes(0x0a)) return true;
      if (this.#buffered.length <= LINE_BYTES_LIMIT) return false;
      throw new BackupError(
        "ERR_BACKUP_HANDSHAKE",
        `${this.#peer} sent a line of more than ${LINE_BYTES_LIMIT} bytes instead of ${what}`,
      );
    });
    const end = this.#buffered.indexOf(0x0a);
    return this.#take(end + 1).toString("utf8", 0, end);
  }

  /** Reads a line and throws unless it is `expected`. */
  async expectLine(
    expected: string,
    what: string,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<void> {
    const line = await this.readLine(what, timeoutMs, signal);
    if (line === expected) return;
    throw new BackupError(
      "ERR_BACKUP_HANDSHAKE",
      `${this.#peer} sent ${quoted(line)} instead of ${what}`,
    );
  }

  /** The next `count` bytes. */
  async readBytes(
    count: number,
    what: string,
    timeoutMs: number,
    signal?: AbortSignal,
  ): Promise<Buffer> {
    await this.#until(what, timeoutMs, signal, () => this.#buffered.length >= count);
    return this.#take(count);
  }

  /** Waits until something came, and leaves it where it is. Rejects when the stream ends or the signal aborts. */
  async readable(what: string, timeoutMs: number, signal: AbortSignal): Promise<void> {
    await this.#until(what, timeoutMs, signal, () => this.#buffered.length > 0);
  }

  /** Waits until the other side has closed its direction, for at most the given time. Never rejects for that. */
  async ended(timeoutMs: number, signal?: AbortSignal): Promise<void> {
    try {
      await this.#until("the end", timeoutMs, signal, () => this.#over);
    } catch (error) {
      if (!(error instanceof BackupError)) throw error;
    }
  }

  #wake(): void {
    for (const wake of this.#wakers) wake();
  }

  #take(count: number): Buffer {
    const taken = this.#buffered.subarray(0, count);
    this.#buffered = this.#buffered.subarray(count);
    if (this.#input.isPaused()) this.#input.resume();
    return taken;
  }

  async #until(
    what: string,
    timeoutMs: number,
    signal: AbortSignal | undefined,
    isThere: () => boolean,
  ): Promise<void> {
    const deadline = timeoutMs > 0 ? performance.now() + timeoutMs : Infinity;
    while (!isThere()) {
      signal?.throwIfAborted();
      if (this.#over) {
        const reason = this.#error ? `: ${this.#error.message}` : "";
        throw new BackupError(
          "ERR_BACKUP_CONNECTION_LOST",
          `the connection to ${this.#peer} ended before ${what} came${reason}`,
          { cause: this.#error },
        );
      }
      const left = deadline - performance.now();
      if (left <= 0) {
        throw new BackupError(
          "ERR_BACKUP_TIMEOUT",
          `${this.#peer} did not send ${what} within ${timeoutMs / 1000} s`,
        );
      }
      await this.#event(left, signal);
    }
  }

  /** Waits for the next event of the stream, the end of the time or the signal. */
  async #event(leftMs: number, signal: AbortSignal | undefined): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    let stopWaiting: (() => void) | undefined;
    await new Promise<void>((resolve) => {
      const wake = (): void => resolve();
      this.#wakers.add(wake);
      if (leftMs !== Infinity) timer = setTimeout(wake, leftMs);
      signal?.addEventListener("abort", wake, { once: true });
      stopWaiting = (): void => {
        clearTimeout(timer);
        this.#wakers.delete(wake);
        signal?.removeEventListener("abort", wake);
      };
    });
    stopWaiting?.();
  }
}
