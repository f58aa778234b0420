import type { Command } from "commander";
import type { TunnelsFlags } from "../actions/tunnels.ts";
import type { Execute } from "../command-definition.ts";

const EXAMPLES = `
Examples:
  $ dialhome tunnels
  $ dialhome tunnels --json | jq -r 'select(.name == "kitchen").forwards[].listens'

Asks the "dialhome serve" of this machine, over its control socket, which only its own user may open.

Exit codes: 0 printed, also where nobody is connected; 1 there is no server to ask; 2 usage.`;

/** `dialhome tunnels` */
export function declareTunnels(command: Command, execute: Execute): void {
  command
    .option("--state <dir>", "the server's --state (default: ~/.local/state/dialhome)")
    .option("--control <path>", "the server's control socket (default: serve.sock in --state)")
    .option("--json", "one JSON object per line, with all that is known")
    .addHelpText("after", EXAMPLES)
    .action((flags: TunnelsFlags) =>
      execute(async (io) => {
        const { runTunnels } = await import("../actions/tunnels.ts");
        return runTunnels(flags, io);
      }),
    );
}
