import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { Duplex, type Readable, type Writable } from "node:stream";
import { RsyncError } from "@dialhome/rsync-protocol";
import { SIGNAL_EXIT_BASE } from "../exit-codes.ts";
import type { CommandIo } from "../io.ts";
import { SSH_FAILED, type Transport } from "./transport.ts";

/** A program that is told to go has so long before it is killed. */
const GRACE_MS = 2_000;

/**
 * Starts a program whose standard input and output are the connection: a remote shell, or RSYNC_CONNECT_PROG.
 *
 * @param isOneSocket - the program finds one socket for both directions at descriptor 3
 * @throws RsyncError with exit code 12 when it cannot be started
 */
export async function startProgram(
  program: string,
  args: readonly string[],
  io: CommandIo,
  isOneSocket = false,
): Promise<Transport> {
  const child = spawn(program, args, {
    cwd: io.cwd,
    env: { ...io.env },
    stdio: ["pipe", "pipe", "pipe", isOneSocket ? "pipe" : "ignore"],
  });
  try {
    await once(child, "spawn");
  } catch (cause) {
    const why = cause instanceof Error ? cause.message : String(cause);
    const message = `cannot start "${program}": ${why}`;
    throw new RsyncError("ERR_RSYNC_CONNECTION_LOST", message, { cause });
  }
  const { stdin, stdout, stderr } = child;
  if (stdin === null || stdout === null || stderr === null)
    throw new Error("started without pipes");
  return childTransport(child, { stdin, stdout, stderr }, io);
}

function childTransport(
  child: ChildProcess,
  { stdin, stdout, stderr }: { stdin: Writable; stdout: Readable; stderr: Readable },
  io: CommandIo,
): Transport {
  stderr.on("data", (chunk: Buffer) => io.stderr.write(chunk));
  // What is written to a program that has gone is lost; that it has gone is heard at the end of its output.
  stdin.on("error", () => {});
  const ended = exitOf(child);
  const socket = child.stdio[3];
  const stream =
    socket instanceof Duplex ? socket : Duplex.from({ readable: stdout, writable: stdin });
  stream.on("error", () => {});
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
      stdin.destroy();
      stdout.destroy();
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
