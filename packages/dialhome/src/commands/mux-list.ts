import type { Command } from "commander";
import type { MuxListFlags } from "../actions/mux-registry.ts";
import type { Execute } from "../command-definition.ts";
import { declareRegistry } from "../mux/registry-path.ts";

const EXAMPLES = `
Examples:
  $ dialhome mux list
  $ dialhome mux list -i /var/lib/dialhome/mux.db --json | jq -r 'select(.releasedAt == null) | "\\(.port) \\(.identity)"'

Every port that was ever given away, and to whom, also while the server runs. A device of version 1 is shown by the text that it sent, one
of version 2 by a hash of its identity: nobody can read a serial number off this list. A released port is its device's again if that asks
before another one needs it.

Exit codes: 0 printed; 1 there is no registry to read; 2 usage.`;

/** `dialhome mux list` */
export function declareMuxList(command: Command, execute: Execute): void {
  declareRegistry(command);
  command
    .option("--json", "one JSON object per line, with all that is known")
    .addHelpText("after", EXAMPLES)
    .action((flags: MuxListFlags) =>
      execute(async (io) => {
        const { runMuxList } = await import("../actions/mux-registry.ts");
        return runMuxList(flags, io);
      }),
    );
}
