import type { Command } from "commander";
import type { MuxReserveFlags } from "../actions/mux-registry.ts";
import type { Execute } from "../command-definition.ts";
import { declareRegistry } from "../mux/registry-path.ts";
import { portNumber } from "../option-values.ts";

const EXAMPLES = `
Examples:
  $ dialhome mux reserve 22001 --ident-string kitchen
  $ dialhome mux reserve 22001 5f3a9c

Keeps a port for a device, which may never have asked: from now on it gets this one, in place of the one that it had. The port need not be within the
server's range, and does not expire; "dialhome mux release" ends it. Nobody else gets it. The registry is made where there is none.

Exit codes: 0 kept; 1 somebody else has the port, or there is no such device; 2 usage.`;

/** `dialhome mux reserve` */
export function declareMuxReserve(command: Command, execute: Execute): void {
  command
    .argument("<port>", "the port", portNumber)
    .argument("[device]", "as dialhome mux list shows it, or at least its first 6 characters");
  declareRegistry(command);
  command
    .option("--ident-string <text>", "the device that calls itself by this text")
    .option("--mux-version <version>", "of the protocol that it speaks, 1 or 2 (default: 2)")
    .option("--forwarding <number>", "for its forwarding of this number (default: 0, the first)")
    .addHelpText("after", EXAMPLES)
    .action((port: number, device: string | undefined, flags: MuxReserveFlags) =>
      execute(async (io) => {
        const { runMuxReserve } = await import("../actions/mux-registry.ts");
        return runMuxReserve(port, device, flags, io);
      }),
    );
}
