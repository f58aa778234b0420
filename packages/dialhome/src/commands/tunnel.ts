import type { Command } from "commander";
import type { Execute } from "../command-definition.ts";
import { gather, portNumber, secondsToMs, wholeNumber } from "../option-values.ts";
import type { TunnelFlags } from "../tunnel/flags.ts";
import { declareIdentity, declareSecret } from "./mux-options.ts";

const EXAMPLES = `
Examples:
  $ dialhome tunnel -R 2222:localhost:22 tun-pi@gate.example
  $ dialhome tunnel -R 0:localhost:22 --json --host-key-fingerprint SHA256:… gate.example:2200
  $ dialhome tunnel -L 8080:intranet:80 -L /run/me/db.sock:/run/postgresql/.s.PGSQL.5432 me@gate.example
  * * * * * dialhome tunnel --lock --quiet -R 2222:localhost:22 tun-pi@gate.example
  $ dialhome tunnel --mux 8739 --secret-file /etc/dialhome/mux-secret tun-pi@gate.example
  $ dialhome tunnel --print-unit -R 2222:localhost:22 tun-pi@gate.example >/etc/systemd/system/tunnel.service

A forwarding is written as for ssh: [bind:]port:host:port, with a /path of a unix socket on either side; an IPv6 address stands in
[brackets]; no bind address is loopback, * every address; port 0 lets the listener choose. Without -R and -L those of the ssh
configuration count. -D and a port alone (SOCKS) are not offered.

With --mux the port of -R mux:HOST:PORT is the one that the host gives this device by who it is, the same each time; without -R it is
mux:localhost:22. Asked is before the first try, and before each that follows one that failed; where nobody answers, the last answer counts. It
also tells the port of the SSH server, unless -p does, and its host key, unless known_hosts has one. The secret is the server's or
this device's credential, and can stand in DIALHOME_MUX_SECRET. -c runs beside the tunnel when the port is known or has changed; given once it is
split at blanks, given several times each is one word; no shell is asked.

While it is up there is one line for each forwarding on standard output, with the port that it got, and again each time it comes back. It
stays until it is told to end, or until trying again cannot help. ~/.ssh/config, known_hosts and the agent are read as ssh reads them.

Exit codes: 0 ended by SIGTERM or SIGINT, or --lock found another; 2 wrong usage; 76 the host's key is unknown or another one;
  77 the host takes none of the keys; with --once also 255 no SSH connection, or it ended; 1 anything else.`;

/** `dialhome tunnel` */
export function declareTunnel(command: Command, execute: Execute): void {
  command
    .argument("<destination>", "where to: [user@]host[:port], or a Host of ~/.ssh/config")
    .optionsGroup("What is forwarded:")
    .option(
      "-R <forwarding>",
      "the host listens, connections come out here; can be given again",
      gather,
    )
    .option(
      "-L <forwarding>",
      "this machine listens, connections come out there; can be given again",
      gather,
    )
    .optionsGroup("The connection:")
    .option("-p, --port <port>", "the host's SSH port", portNumber)
    .option("-i, --identity <file>", "private key to log in with; can be given again", gather)
    .option("-J, --jump <destination>", "go through these hosts, separated by commas")
    .option("-F, --config <file>", "read this ssh configuration alone; none reads none")
    .option("-o <key=value>", "an option as in ssh_config(5), of those that are read here", gather)
    .option(
      "--known-hosts <file>",
      "host keys that are known (default: ~/.ssh/known_hosts)",
      gather,
    )
    .option(
      "--host-key-fingerprint <fingerprint>",
      "the host's key must be this one, SHA256:…",
      gather,
    )
    .option("--accept-new", "trust a host that is not known yet, and remember its key")
    .option(
      "--connect-timeout <seconds>",
      "longest time to connect and log in (default: 60)",
      secondsToMs,
    )
    .option(
      "--alive-interval <seconds>",
      "ask a silent host for a sign of life after this time (default: 15)",
      secondsToMs,
    )
    .option(
      "--alive-count <count>",
      "silent intervals after which the connection is over (default: 3)",
      wholeNumber,
    )
    .optionsGroup("The port by who this device is:")
    .option("--mux <[host:]port>", "ask the mux server at this UDP port of the host for the port")
    .option("--mux-version <1|2>", "of the protocol; 1 is the original scripts' (default: 2)")
    .option("--mux-attempts <count>", "packets, spread over the time (default: 6)", wholeNumber)
    .option("--mux-timeout <seconds>", "time for asking (default: 10)", secondsToMs)
    .option("-c, --mux-hook <command>", "run it with the SSH port and the port appended", gather);
  declareIdentity(declareSecret(command, "the server's secret"), "--ident-string <text>")
    .optionsGroup("How it stays:")
    .option("--backoff-max <seconds>", "longest pause between tries (default: 60)", secondsToMs)
    .option("--once", "do not connect again")
    .option("--lock", "if the same tunnel runs already, end at once and silently")
    .option("--stop", "end the one that runs with --lock")
    .option("--print-unit", "print a systemd unit, and the line for a crontab, instead")
    .option("-q, --quiet", "say nothing but what went wrong")
    .option("--json", "one JSON object per line on standard output, for each change")
    .addHelpText("after", EXAMPLES)
    .action((destination: string, flags: TunnelFlags) =>
      execute(async (io) => {
        const { runTunnel } = await import("../actions/tunnel.ts");
        return runTunnel(destination, flags, io);
      }),
    );
}
