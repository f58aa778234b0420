import type { Command } from "commander";
import type { MuxReleaseFlags } from "../actions/mux-registry.ts";
import type { Execute } from "../command-definition.ts";
import { declareRegistry } from "../mux/registry-path.ts";
import { portNumber } from "../option-values.ts";

const EXAMPLES = `
Examples:
  $ dialhome mux release --port 22010
  $ dialhome mux release 5f3a9c
  $ dialhome mux release --ident-string kitchen

Gives back all ports of a device that is gone for good: others get them when nothing else is left, those that have been free for longest
first. If the device asks again before that, it has its port again. A server that runs need not be told.

Exit codes: 0 given back; 1 there is no such device, or it has no port; 2 usage.`;

/** `dialhome mux release` */
export function declareMuxRelease(command: Command, execute: Execute): void {
  command.argument("[device]", "as dialhome mux list shows it, or at least its first 6 characters");
  declareRegistry(command);
  command
    .option("--port <port>", "the device that has this port", portNumber)
    .option("--ident-string <text>", "the device that calls itself by this text")
    .option("--mux-version <version>", "of the protocol that it speaks, 1 or 2 (default: 2)")
    .option("--json", "one JSON object per line")
    .addHelpText("after", EXAMPLES)
    .action((device: string | undefined, flags: MuxReleaseFlags) =>
      execute(async (io) => {
        const { runMuxRelease } = await import("../actions/mux-registry.ts");
        return runMuxRelease(device, flags, io);
      }),
    );
}
