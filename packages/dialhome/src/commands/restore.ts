import type { Command } from "commander";
import type { RestoreFlags } from "../actions/restore.ts";
import type { Execute } from "../command-definition.ts";

const EXAMPLES = `
Examples:
  $ dialhome restore /srv/backups laptop etc/fstab --to /tmp/found
  $ dialhome restore /srv/backups laptop:2026-11-23 --to /mnt/new-disk
  $ dialhome restore /srv/backups laptop home/me/photos home/me/notes --to /tmp/found --overwrite

Paths keep their directories: the first example makes /tmp/found/etc/fstab. Each file is compared with its digest
before it gets its name. Exit codes: 0 restored; 23 restored, but for what was told; 1 nothing was restored.`;

/** `dialhome restore` */
export function declareRestore(command: Command, execute: Execute): void {
  command
    .argument("<dir>", "the store")
    .argument(
      "<machine[:snapshot]>",
      "a machine's name or key id; the snapshot's id or how that begins (default: the latest)",
    )
    .argument("[path...]", "files, or directories with all below them (default: everything)")
    .requiredOption("--to <dest>", "the directory where they come to lie")
    .option("--overwrite", "replace files that are there")
    .option("-q, --quiet", "say nothing but what went wrong")
    .option("--json", "one JSON object at the end")
    .addHelpText("after", EXAMPLES)
    .action((dir: string, machine: string, paths: string[], flags: RestoreFlags) =>
      execute(async (io) => {
        const { runRestore } = await import("../actions/restore.ts");
        return runRestore(dir, machine, paths, flags, io);
      }),
    );
}
