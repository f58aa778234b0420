import type { Command } from "commander";
import type { MuxAskFlags } from "../actions/mux-ask.ts";
import type { Execute } from "../command-definition.ts";
import { gather } from "../option-values.ts";
import { declareAsking, declareIdentity, declareSecret } from "./mux-options.ts";

const EXAMPLES = `
Examples:
  $ dialhome mux ask --secret-file /etc/dialhome/mux-secret gate.example
  22 22013
  $ read -r ssh_port port < <(dialhome mux ask -s "$SECRET" --ident-rpi gate.example) && ssh -N -p "$ssh_port" -R "$port:localhost:22" gate.example

Prints the port of the SSH server and the ports that this device may listen on there, and nothing else; they are the same each time.
The secret is the server's, or this device's credential (dhm2.…, from "dialhome mux credential"), which says who the device is, too. It can
stand in DIALHOME_MUX_SECRET. The clock of this device may be wrong; it is not set.

-c runs a program before it ends, with both ports appended to its arguments: given once it is split at blanks, given several times each is one
word. No shell is asked. What it writes goes to standard error.

Exit codes: 0 printed; 1 no valid answer, refused, or the hook failed; 2 usage.`;

/** `dialhome mux ask` */
export function declareMuxAsk(command: Command, execute: Execute): void {
  command.argument("<host>", "the server, as HOST or HOST:PORT");
  declareAsking(declareIdentity(declareSecret(command, "the server's secret")))
    .optionsGroup("What follows:")
    .option("-c, --mux-hook <command>", "run it with both ports appended", gather)
    .option("--json", "one JSON object, with all that is known")
    .addHelpText("after", EXAMPLES)
    .action((host: string, flags: MuxAskFlags) =>
      execute(async (io) => {
        const { runMuxAsk } = await import("../actions/mux-ask.ts");
        return runMuxAsk(host, flags, io);
      }),
    );
}
