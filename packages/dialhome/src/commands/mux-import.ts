import type { Command } from "commander";
import type { Execute } from "../command-definition.ts";
import { declareRegistry, type RegistryFlags } from "../mux/registry-path.ts";

const EXAMPLES = `
Examples:
  $ dialhome mux export --format json | ssh other dialhome mux import -
  $ ssh-reverse-mux-server --ident-list | dialhome mux import -i /var/lib/dialhome/mux.db -

Reads a list of devices and ports into a new registry: what "dialhome mux export --format json" printed, or what the original server lists,
so that its devices keep their ports in version 1. All of it is taken or nothing; a registry that has ports takes none.

Exit codes: 0 taken; 1 a line is wrong, or the registry cannot be used; 2 usage.`;

/** `dialhome mux import` */
export function declareMuxImport(command: Command, execute: Execute): void {
  command.argument("<file>", "the list; - is standard input");
  declareRegistry(command);
  command.addHelpText("after", EXAMPLES).action((file: string, flags: RegistryFlags) =>
    execute(async (io) => {
      const { runMuxImport } = await import("../actions/mux-import.ts");
      return runMuxImport(file, flags, io);
    }),
  );
}
