import type { ChildProcess } from "node:child_process";
import type { Readable, Writable } from "node:stream";

/** A stream for text that may be a terminal. */
export type TextOutput = Writable & { readonly isTTY?: boolean };

/** All of the surroundings that a command may use; only `start.ts` touches `process`. */
export interface CommandIo {
  readonly stdin: Readable & { readonly isTTY?: boolean };
  /** The result. */
  readonly stdout: TextOutput;
  /** The talk. */
  readonly stderr: TextOutput;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly cwd: string;
  /** Aborted with an {@link Interrupted} when the user or the system wants the command to end. */
  readonly signal: AbortSignal;
  /** What only a process of its own has; undefined in a test that calls a command. */
  readonly process?: ProcessFace;
}

/** What a command may do with its process. */
export interface ProcessFace {
  /** The interpreter and the program, by their paths: what comes before the arguments of a command line. */
  readonly program: readonly string[];
  /**
   * Starts this program again with other arguments, in a session of its own, with a pipe at its standard error and no other stream.
   * It emits "message" when it calls `onUp`.
   */
  readonly startAgain: (args: readonly string[]) => ChildProcess;
  /** Tells whoever started this program by `startAgain`, if it was, that it is up. It must then neither be asked for nor tell anything. */
  readonly onUp: () => void;
  /** SIGHUP calls the listener instead of ending the command, until the function that is given back is called. */
  readonly onHangup: (listener: () => void) => () => void;
  /** Becomes another user and group for good, by names or numbers. Throws when the system refuses. */
  readonly become: (user: string | undefined, group: string | undefined) => void;
}

/** A signal asked the process to end. */
export class Interrupted extends Error {
  readonly signalName: NodeJS.Signals;

  constructor(signalName: NodeJS.Signals) {
    super(`ended by ${signalName}`);
    this.name = "Interrupted";
    this.signalName = signalName;
  }
}
