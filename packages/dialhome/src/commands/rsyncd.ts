import type { Command } from "commander";
import type { RsyncdFlags } from "../actions/rsyncd.ts";
import type { Execute } from "../command-definition.ts";
import { gather, secondsToMs } from "../option-values.ts";

const EXAMPLES = `
Examples:
  $ dialhome rsyncd --module photos=/srv/photos
  $ dialhome rsyncd --config /etc/rsyncd.conf --listen 873
  $ dialhome rsyncd --module home=/home --listen 8873 --auth-user me --secrets-file secrets

A client: rsync -a rsync://me@this-machine.example:8873/home/ copy
Modules are read only. A configuration that asks for what is not offered is refused with file and line.
Lines of the secrets file are user:password, and others must not be able to read it: chmod 600.
What goes over the wire is not encrypted: on a network that others share, use dialhome backup, or a tunnel.`;

/** `dialhome rsyncd` */
export function declareRsyncd(command: Command, execute: Execute): void {
  command
    .option(
      "-m, --module <name=path>",
      "serve this directory under this name; can be given again",
      gather,
    )
    .option(
      "--config <file>",
      "serve the modules of a file in the form of rsyncd.conf(5); SIGHUP reads it again",
    )
    .option("--listen <[host:]port>", "where to listen (default: 127.0.0.1:873)")
    .option("--auth-user <user>", "let only this user in; can be given again", gather)
    .option("--secrets-file <file>", "the passwords of the users")
    .option("--motd <text>", "greet every client with this text")
    .option("--numeric-ids", "send no names of users and groups")
    .option("--timeout <seconds>", "hang up after so long a silence (default: never)", secondsToMs)
    .option(
      "--max-connections <count>",
      "sessions at a time, for each module (default: no limit)",
      Number,
    )
    .option("--log-file <file>", "append a line for each session; SIGHUP opens it anew")
    .option("-q, --quiet", "say nothing but what went wrong, after the first line")
    .option("--json", "one JSON object per line on standard output")
    .addHelpText("after", EXAMPLES)
    .action((flags: RsyncdFlags) =>
      execute(async (io) => {
        const { runRsyncd } = await import("../actions/rsyncd.ts");
        return runRsyncd(flags, io);
      }),
    );
}
