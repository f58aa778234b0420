import type { Command } from "commander";
import type { BackupHostFlags } from "../actions/backup-host.ts";
import type { Execute } from "../command-definition.ts";
import { gather, secondsToMs } from "../option-values.ts";
import { declareAdmission } from "./admission-options.ts";

const EXAMPLES = `
Examples:
  $ dialhome backup-host /srv/backups --create --authorized-keys /etc/dialhome/keys
  $ dialhome backup-host /srv/backups --listen 2222 --authorized-keys keys --host-key host_key -x script.done:./notify

The file of --authorized-keys has sshd's format: a public key per line. A machine gets its name at its first backup and
no other key can have it then; environment="DIALHOME_NAME=laptop" in front of a key gives it a name beforehand.
Changes count from the next login on. A file that cannot be read, breaks off within a line or has no line that can be used changes
nothing; a single wrong line is told and passed over, as in sshd.

An address from which logins fail again and again is kept away for up to ten minutes, and so is everybody behind it. Where many machines
come from one address, exempt it: --penalty-exempt 192.0.2.7`;

/** `dialhome backup-host` */
export function declareBackupHost(command: Command, execute: Execute): void {
  command
    .argument("[dir]", "the store: where the snapshots are kept")
    .option("--create", "make the store, if the directory is missing or empty")
    .option("--authorized-keys <file>", "public keys of the machines whose backups are taken")
    .option("--listen <[host:]port>", "where to listen (default: port 2222 of every address)")
    .option(
      "--host-key <file>",
      "private key by which devices know this host; can be given again (default: ~/.config/dialhome/host_key, made at the first start)",
      gather,
    )
    .option("--generate-host-key", "make the file of --host-key, if it is missing");
  declareAdmission(command, { startups: "200:30:400", startupsPerSource: 150 })
    .optionsGroup("Hooks:")
    .option(
      "-x, --hook <point:program>",
      "run a program at a point of each backup; can be given again",
      gather,
    )
    .option("--hook-timeout <seconds>", "longest time for one hook (default: none)", secondsToMs)
    .option("--hook-list", "explain the points and what a program is given there")
    .optionsGroup("How it runs:")
    .option(
      "-t, --handshake-timeout <seconds>",
      "longest wait for one answer of a device (default: 20)",
      secondsToMs,
    )
    .option("--nice <[prio:][class[.level]]>", "run with this priority: 10, 10:idle, be.7")
    .option("-v, --verbose", "tell also of refused and ended connections")
    .option("-q, --quiet", "say nothing but what went wrong, after the first lines")
    .option("--json", "one JSON object per line on standard output")
    .addHelpText("after", EXAMPLES)
    .action((dir: string | undefined, flags: BackupHostFlags) =>
      execute(async (io) => {
        const { runBackupHost } = await import("../actions/backup-host.ts");
        return runBackupHost(dir, flags, io);
      }),
    );
}
