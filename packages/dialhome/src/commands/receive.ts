import type { Command } from "commander";
import type { ReceiveFlags } from "../actions/receive.ts";
import type { Execute } from "../command-definition.ts";
import { gather, secondsToMs } from "../option-values.ts";

const EXAMPLES = `
Example, in sshd_config on the host (dialhome receive --print-sshd-config DIR prints it):
  Match User backup
    ForceCommand dialhome receive /srv/backups
    ExposeAuthInfo yes
    AllowTcpForwarding remote
    …

sshd must tell which key logged in (ExposeAuthInfo yes), or the key's line in authorized_keys must:
  command="dialhome receive --key-fingerprint SHA256:… --name laptop /srv/backups" ssh-ed25519 …

It can be the account's login shell too, so that no other shell is needed; then a ForceCommand is a must.
Standard output belongs to the protocol; what went wrong goes to standard error, and so to the device.`;

/** `dialhome receive` */
export function declareReceive(command: Command, execute: Execute): void {
  command
    .argument("[dir]", "the store: where the snapshots are kept")
    .option("--create", "make the store, if the directory is missing or empty")
    .option("--name <name>", "what this machine is called here, whatever it says itself")
    .option(
      "--key-fingerprint <fingerprint>",
      "the machine's key, SHA256:…, where sshd does not tell it",
    )
    .option("--print-sshd-config", "print lines for sshd_config, instead of taking a backup")
    .optionsGroup("Hooks:")
    .option(
      "-x, --hook <point:program>",
      "run a program at a point of the backup; can be given again",
      gather,
    )
    .option("--hook-timeout <seconds>", "longest time for one hook (default: none)", secondsToMs)
    .option("--hook-list", "explain the points and what a program is given there")
    .optionsGroup("How it runs:")
    .option(
      "-t, --handshake-timeout <seconds>",
      "longest wait for one answer of the device (default: 20)",
      secondsToMs,
    )
    .option("--nice <[prio:][class[.level]]>", "run with this priority: 10, 10:idle, be.7")
    .addHelpText("after", EXAMPLES)
    .action((dir: string | undefined, flags: ReceiveFlags) =>
      execute(async (io) => {
        const { runReceive } = await import("../actions/receive.ts");
        return runReceive(dir, flags, io);
      }),
    );
}
