import type { Command } from "commander";
import type { VerifyFlags } from "../actions/verify.ts";
import type { Execute } from "../command-definition.ts";

const EXAMPLES = `
Examples:
  $ dialhome verify /srv/backups                    every snapshot
  $ dialhome verify /srv/backups laptop             the latest one of a machine
  $ dialhome verify /srv/backups laptop 2026-11     the one whose id begins so
  $ dialhome verify /srv/backups --quick --json

Exit codes: 0 all is as it was saved; 3 something differs; 1 it could not be compared.`;

/** `dialhome verify` */
export function declareVerify(command: Command, execute: Execute): void {
  command
    .argument("<dir>", "the store")
    .argument("[machine]", "only this machine, by its name or its key's id")
    .argument("[snapshot]", "this snapshot of it: its id, or how that begins (default: the latest)")
    .option(
      "--quick",
      "compare names, types, sizes, modes, times, owners and links, but read no content",
    )
    .option("--all", "every snapshot of the machine")
    .option("-q, --quiet", "say only what differs")
    .option("--json", "one JSON object per line")
    .addHelpText("after", EXAMPLES)
    .action(
      (
        dir: string,
        machine: string | undefined,
        snapshot: string | undefined,
        flags: VerifyFlags,
      ) =>
        execute(async (io) => {
          const { runVerify } = await import("../actions/verify.ts");
          return runVerify(dir, machine, snapshot, flags, io);
        }),
    );
}
