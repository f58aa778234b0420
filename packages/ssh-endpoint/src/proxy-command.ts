import { type ChildProcessByStdio, spawn } from "node:child_process";
import { Duplex, type Readable, type Writable } from "node:stream";
import { BOUNDS } from "./constants.ts";
import { SshEndpointError } from "./errors.ts";

/** A program whose standard input and output are the connection (ssh's ProxyCommand). */
export interface ProxyCommand {
  /** A line for the shell; whatever stands in it is run. */
  readonly command: string;
  /** @defaultValue "/bin/sh" */
  readonly shell?: string;
}

/**
 * Starts the program with the environment of this process, which also gets its standard error, as ssh does. The stream is closed when the
 * program has gone: destroyed, it is hung up on, and killed where that does not help.
 */
export function openProxyCommand({ command, shell = "/bin/sh" }: ProxyCommand): Duplex {
  // Without exec a shell could stay in between, and be told to go in the place of what it runs.
  const child = spawn(shell, ["-c", `exec ${command}`], { stdio: ["pipe", "pipe", "inherit"] });
  return new ProxyStream(child);
}

class ProxyStream extends Duplex {
  readonly #child: ChildProcessByStdio<Writable, Readable, null>;
  #hasSpoken = false;

  constructor(child: ChildProcessByStdio<Writable, Readable, null>) {
    super({ allowHalfOpen: false }); // a program that has gone reads no more
    this.#child = child;
    child.once("error", (cause) => {
      this.destroy(failed(`cannot be started: ${cause.message}`, cause));
    });
    // What is written to a program that has gone is lost; that it has gone is heard at the end of its output.
    child.stdin.on("error", () => {});
    child.stdout.on("error", () => {});
    child.stdout.on("data", (chunk: Buffer) => {
      this.#hasSpoken = true;
      if (!this.push(chunk)) child.stdout.pause();
    });
    child.once("close", (code, signal) => {
      if (this.#hasSpoken) this.push(null);
      else this.destroy(failed(`ended with ${code ?? signal}, and no server has spoken`));
    });
  }

  override _read(): void {
    this.#child.stdout.resume();
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#child.stdin.write(chunk, () => done());
  }

  override _final(done: () => void): void {
    const { stdin } = this.#child;
    // An end that comes after the destruction is not answered.
    if (stdin.destroyed) done();
    else stdin.end(() => done());
  }

  override _destroy(error: Error | null, done: (error: Error | null) => void): void {
    const child = this.#child;
    child.stdin.destroy();
    child.stdout.destroy();
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) {
      done(error);
      return;
    }
    const timer = setTimeout(() => child.kill("SIGKILL"), BOUNDS.disconnectGraceMs);
    child.once("exit", () => {
      clearTimeout(timer);
      done(error);
    });
    child.kill("SIGHUP");
  }
}

/** The command itself is not told: it may hold a secret. */
function failed(what: string, cause?: unknown): SshEndpointError {
  return new SshEndpointError("ERR_SSH_ENDPOINT_CONNECT", `the ProxyCommand ${what}`, { cause });
}
