import type { Command } from "commander";
import type { AnnounceFlags } from "../actions/announce.ts";
import type { Execute } from "../command-definition.ts";
import { gather } from "../option-values.ts";

const EXAMPLES = `
Examples:
  $ dialhome announce 2213
  $ dialhome announce --wall --tty /dev/tty1 -n 2/4-2200 22 2213

Says which number this machine has, to whoever looks at it: on standard output, with --wall on the terminals of all who are logged in (it
runs wall(1)), with --tty on a screen or a serial line where nobody is. Without -n it is the last argument: of a hook, the tunnel's port.

Exit codes: 0 said everywhere; 1 somewhere it could not be; 2 wrong usage.`;

/** `dialhome announce` */
export function declareAnnounce(command: Command, execute: Execute): void {
  command
    .argument("<args...>", "the number, and whatever stands beside it")
    .option("-n, --arg-num <n/bits-less>", "which argument, and which bits dialhome blink shows")
    .option("-w, --wall", "also on the terminals of all who are logged in")
    .option("-t, --tty <path>", "also on this terminal; can be given again", gather)
    .addHelpText("after", EXAMPLES)
    .action((args: readonly string[], flags: AnnounceFlags) =>
      execute(async (io) => {
        const { runAnnounce } = await import("../actions/announce.ts");
        return runAnnounce(args, flags, io);
      }),
    );
}
