import type { Command } from "commander";
import type { MuxExportFlags } from "../actions/mux-registry.ts";
import type { Execute } from "../command-definition.ts";
import { declareRegistry } from "../mux/registry-path.ts";

const EXAMPLES = `
Examples:
  $ dialhome mux export >~/.ssh/mux.conf        and in ~/.ssh/config: Include mux.conf
  $ ssh mux-22010
  $ dialhome mux export --host gate.example --format json >ports.jsonl
  $ dialhome mux import -i other.db ports.jsonl

As ssh-config each port that somebody has is a Host of its name; one of a device that calls itself by a text is also called by that, such as
mux-kitchen. Its host key is remembered as the device's, whatever its port. As json it is all that the registry knows, to be read back.

Exit codes: 0 printed; 1 there is no registry to read; 2 usage.`;

/** `dialhome mux export` */
export function declareMuxExport(command: Command, execute: Execute): void {
  declareRegistry(command);
  command
    .option("--format <format>", "ssh-config, or json (one object per line)", "ssh-config")
    .option("--host <host>", "where the ports can be reached", "localhost")
    .addHelpText("after", EXAMPLES)
    .action((flags: MuxExportFlags) =>
      execute(async (io) => {
        const { runMuxExport } = await import("../actions/mux-registry.ts");
        return runMuxExport(flags, io);
      }),
    );
}
