import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Duplex, type Readable, type Writable } from "node:stream";
import { RsyncError } from "@dialhome/rsync-protocol";
import { SIGNAL_EXIT_BASE } from "../exit-codes.ts";
import type { CommandIo } from "../io.ts";
import { openLoopbackPair } from "./loopback-pair.ts";
import { SSH_FAILED, type Transport } from "./transport.ts";

/** A program that is told to go has so long before it is killed. */
const GRACE_MS = 2_000;

/**
 * Starts a program whose standard input and output are the connection: a remote shell.
 *
 * @throws RsyncError with exit code 12 when it cannot be started
 */
export async function startProgram(
  program: string,
  args: readonly string[],
  io: CommandIo,
): Promise<Transport> {
  const child = spawn(program, args, {
    cwd: io.cwd,
    env: { ...io.env },
    stdio: ["pipe", "pipe", "pipe"],
  });
  await spawned(child, program);
  const { stdin, stdout } = child;
  // What is written to a program that has gone is lost; that it has gone is heard at the end of its output.
  stdin.on("error", () => {});
  const stream = Duplex.from({ readable: stdout, writable: stdin });
  return childTransport(child, stream, [stdin, stdout], io);
}

/**
 * Starts a program whose standard input and output are one TCP socket: RSYNC_CONNECT_PROG.
 *
 * @throws RsyncError with exit code 12 when it cannot be started
 */
export async function startOnSocket(
  program: string,
  args: readonly string[],
  io: CommandIo,
): Promise<Transport> {
  const [near, far] = await openLoopbackPair();
  try {
    const child = spawn(program, args, {
      cwd: io.cwd,
      env: { ...io.env },
      stdio: [far, far, "pipe"],
    });
    await spawned(child, program);
    return childTransport(child, near, [], io);
  } catch (error) {
    near.destroy();
    throw error;
  } finally {
    far.destroy();
  }
}

async function spawned(child: ChildProcess, program: string): Promise<void> {
  try {
    await once(child, "spawn");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot start "${program}": ${why}`;
    throw new RsyncError("ERR_RSYNC_CONNECTION_LOST", message, { cause });
  }
}

function childTransport(
  child: ChildProcess,
  stream: Duplex,
  parts: readonly (Readable | Writable)[],
  io: CommandIo,
): Transport {
  child.stderr?.on("data", (chunk: Buffer) => io.stderr.write(chunk));
  stream.on("error", () => {});
  const ended = exitOf(child);
  const kill = (): void => {
    if (child.exitCode === null && child.signalCode === null) child.kill("SIGTERM");
  };
  return {
    stream,
    ended: async () => {
      const timer = setTimeout(kill, GRACE_MS);
      try {
        return await ended;
      } finally {
        clearTimeout(timer);
      }
    },
    destroy: () => {
      stream.destroy();
      for (const part of parts) part.destroy();
      kill();
    },
  };
}

async function exitOf(child: ChildProcess): Promise<number> {
  return new Promise((resolve) => {
    child.once("exit", (code, signal) => {
      resolve(code ?? (signal === null ? SSH_FAILED : SIGNAL_EXIT_BASE));
    });
  });
}
