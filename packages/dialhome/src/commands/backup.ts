import { type Command, Option } from "commander";
import type { BackupFlags } from "../actions/backup.ts";
import type { Execute } from "../command-definition.ts";
import { gather, portNumber, secondsToMs } from "../option-values.ts";

const EXAMPLES = `
Examples:
  $ dialhome backup --host-key-fingerprint SHA256:… backup-host.example:2222 /home
  $ dialhome backup -n laptop -k ~/.ssh/backup_key -d .nobackup me@backup-host.example /

The host's key must be known: in ~/.ssh/known_hosts, or by --host-key-fingerprint.
Exit codes: 0 backed up; 23 backed up, but some files could not be read; 24 some vanished meanwhile;
  255 no SSH connection; 2 wrong usage; 1 anything else. After 1, 2 and 255 nothing was published.`;

/** `dialhome backup` */
export function declareBackup(command: Command, execute: Execute): void {
  command
    .argument("<host>", "the backup host: [user@]host[:port]; the user is you if it is left out")
    .argument("<path>", "directory to back up")
    .optionsGroup("What is backed up:")
    .addOption(
      new Option("-n, --name <name>", "what this machine calls itself (default: its host name)"),
    )
    .option("--name-file <path>", "take the name from a file, such as a board's serial number")
    .option("--name-rpi", "take the name from the serial number of a Raspberry Pi")
    .option(
      "-f, --filter-file <path>",
      "leave out what these rules say: rsync's filter rules, one a line",
    )
    .option(
      "-d, --filter-dir-file <name>",
      "look for filter rules in files of this name, in each directory",
    )
    .option("-x, --one-file-system", "stay on the file system of the path")
    .option("-A, --attributes", "keep access control lists and extended attributes")
    .option("-X, --fake-super", "ask the host to keep what it may not set in extended attributes")
    .option("-r, --rsync <program>", "let the real rsync at this path serve the files")
    .option("-u, --rsync-user", "do not claim to read with all privileges")
    .optionsGroup("The connection:")
    .option(
      "-p, --port <port>",
      "the host's SSH port (default: as configured, else 22)",
      portNumber,
    )
    .option(
      "-F, --ssh-config <file>",
      "ssh's configuration (default: ~/.ssh/config and /etc/ssh/ssh_config), or none",
    )
    .option("-k, --ssh-key <path>", "private key to log in with; can be given again", gather)
    .option("--agent", "log in with the keys of the agent at SSH_AUTH_SOCK, too")
    .option(
      "--known-hosts <file>",
      "host keys that are known (default: as configured, else ~/.ssh/known_hosts)",
      gather,
    )
    .option(
      "--host-key-fingerprint <fingerprint>",
      "the host's key must be this one, SHA256:…",
      gather,
    )
    .option("--accept-new", "trust a host that is not known yet, and remember its key")
    .option(
      "--connect-timeout <seconds>",
      "longest time to connect and log in (default: as configured, else 180)",
      secondsToMs,
    )
    .option(
      "-t, --handshake-timeout <seconds>",
      "longest wait for one answer of the host (default: 20)",
      secondsToMs,
    )
    .optionsGroup("How it runs:")
    .option("--nice <[prio:][class[.level]]>", "run with this priority: 10, 10:idle, be.7")
    .option("--progress", "show how much was sent (on a terminal this is so unless --quiet)")
    .option("-q, --quiet", "say nothing but what went wrong")
    .option("--json", "one JSON object per line on standard output")
    .addHelpText("after", EXAMPLES)
    .action((host: string, path: string, flags: BackupFlags) =>
      execute(async (io) => {
        const { runBackup } = await import("../actions/backup.ts");
        return runBackup(host, path, flags, io);
      }),
    );
}
