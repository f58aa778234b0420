import { Duplex } from "node:stream";
import { serveSender } from "@dialhome/rsync-protocol-daemon";
import { latin1 } from "../argument-bytes.ts";
import type { CommandIo } from "../io.ts";
import { readCvsIgnore } from "../rsync/cvs-ignore.ts";
import { printableBytes } from "../terminal/printable.ts";

/**
 * `dialhome rsync --server --sender …`: what a client starts at the far end of a remote shell. It speaks on standard input and
 * output, and sends what was asked for.
 */
export async function runRsyncServer(args: readonly string[], io: CommandIo): Promise<number> {
  const stream = Duplex.from({ readable: io.stdin, writable: io.stdout });
  // A client that has gone is met when something is read or written next.
  stream.on("error", () => {});
  const result = await serveSender(stream, args.map(latin1), {
    cwd: io.cwd,
    signal: io.signal,
    cvsIgnore: readCvsIgnore(io),
  });
  if (result.error !== undefined) {
    io.stderr.write(`dialhome: ${printableBytes(result.error.message)}\n`);
  }
  io.stdin.destroy();
  return result.exitCode;
}
