import type { Command } from "commander";
import type { MuxServeFlags } from "../actions/mux-serve.ts";
import type { Execute } from "../command-definition.ts";
import { gather, portNumber, secondsToMs, wholeNumber } from "../option-values.ts";
import { declareSecret } from "./mux-options.ts";

const EXAMPLES = `
Examples:
  $ dialhome mux serve --secret-file /etc/dialhome/mux-secret -i /var/lib/dialhome/ports.db -r 22000:22999
  $ dialhome mux serve 192.0.2.1:8739 -s "$NEW" -s "$OLD" --fingerprint SHA256:…
  $ dialhome mux serve --mux-version 1,2 -s "$SECRET"        # devices of the original scripts, too

Gives devices their ports, by who they are: "dialhome mux ask" on a device, or in version 1 ssh-reverse-mux-client. Make the secret by
"openssl rand -base64 32". Two of them can be live, so that devices change from one to the other in any order; they keep their ports. A file of secrets has one
a line; DIALHOME_MUX_SECRET has one. "dialhome mux list" shows who has which port.

Version 1 is not safe from answers that are played again, and is off. On a host with several addresses say which, so that answers come from there.

-c runs a program when a device got its ports, with the SSH port and the device's first port appended to its arguments, and DIALHOME_MUX_IDENTITY and
DIALHOME_MUX_ADDRESS in its environment: given once it is split at blanks, given several times each is one word. No shell is asked; 8 run at a time,
a minute each. "dialhome mux list" shows what became of the last one of each device.

Exit codes: 0 ended on request; 1 it cannot serve; 2 usage.`;

/** `dialhome mux serve` */
export function declareMuxServe(command: Command, execute: Execute): void {
  command.argument("[bind]", "address, or address:port, to listen on (default: all)");
  declareSecret(command, "the secret; given twice, the new one and the old one")
    .option("-i, --ident-db <file>", "who has which port; made when it is missing")
    .option("-m, --mux-port <port>", "UDP port (default: 8739)", portNumber)
    .option("--mux-version <versions>", "2, 1, or 1,2 for both (default: 2)")
    .optionsGroup("What devices are told:")
    .option("-p, --ssh-port <port>", "where the SSH server listens (default: 22)", portNumber)
    .option("-r, --tunnel-port-range <from:to>", "ports to give (default: 22000:22100)")
    .option("--fingerprint <SHA256:…>", "of a host key of the SSH server; 3 at most", gather)
    .option("--forwardings <count>", "ports that one device can have (default: 4)", wholeNumber)
    .option("--expire <days>", "a device not seen for so long may lose its port (default: never)")
    .optionsGroup("What follows:")
    .option("-c, --mux-hook <command>", "run it for each device, with both ports appended", gather)
    .optionsGroup("How it answers:")
    .option("-n, --attempts <count>", "times that an answer is sent (default: 4)", wholeNumber)
    .option("-t, --timeout <seconds>", "time over which they are spread (default: 2)", secondsToMs)
    .optionsGroup("What is told:")
    .option("-d, --debug", "tell every answer, and where a failure came from")
    .option("--json", "one JSON object per line on standard output")
    .addHelpText("after", EXAMPLES)
    .action((bind: string | undefined, flags: MuxServeFlags) =>
      execute(async (io) => {
        const { runMuxServe } = await import("../actions/mux-serve.ts");
        return runMuxServe(bind, flags, io);
      }),
    );
}
