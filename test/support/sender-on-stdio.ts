/** Stands in for a remote shell with rsync behind it: `rsync -e "node … sender-on-stdio.ts" host:path dest`. */
import { Duplex } from "node:stream";
import { serveSender } from "@dialhome/rsync-protocol-daemon";

// The host's name, and `rsync`, which a shell would start.
const [, , , , ...argv] = process.argv;
const stream = Duplex.from({ readable: process.stdin, writable: process.stdout });
const result = await serveSender(
  stream,
  argv.map((arg) => Buffer.from(arg, "utf8").toString("latin1")),
  { cwd: process.cwd() },
);
if (result.error !== undefined) process.stderr.write(`${result.error.message}\n`);
process.exitCode = result.exitCode;
process.stdin.destroy();
