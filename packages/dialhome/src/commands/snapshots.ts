import type { Command } from "commander";
import type { SnapshotsFlags } from "../actions/snapshots.ts";
import type { Execute } from "../command-definition.ts";

const EXAMPLES = `
Examples:
  $ dialhome snapshots /srv/backups
  $ dialhome snapshots /srv/backups laptop --json

A snapshot is a plain directory; --paths shows where each one lies.`;

/** `dialhome snapshots` */
export function declareSnapshots(command: Command, execute: Execute): void {
  command
    .argument("<dir>", "the store")
    .argument("[machine]", "only this machine's, by its name or its key's id")
    .option("--paths", "show where they lie")
    .option("--json", "one JSON object per line")
    .addHelpText("after", EXAMPLES)
    .action((dir: string, machine: string | undefined, flags: SnapshotsFlags) =>
      execute(async (io) => {
        const { runSnapshots } = await import("../actions/snapshots.ts");
        return runSnapshots(dir, machine, flags, io);
      }),
    );
}
