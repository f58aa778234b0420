import type { Command } from "commander";
import type { TunnelsCleanupFlags } from "../actions/tunnels-cleanup.ts";
import type { Execute } from "../command-definition.ts";
import { secondsToMs } from "../option-values.ts";

const EXAMPLES = `
Examples:
  $ dialhome tunnels-cleanup
  $ dialhome tunnels-cleanup --kill --sessions
  */5 * * * * root dialhome tunnels-cleanup --kill --sessions tun-

For a host where OpenSSH's sshd takes the tunnels ("ssh -N -R"), each device with a user of its own whose name begins with the
prefix. A login is dead when its sshd holds no listening socket, or when none of its listeners gives an SSH greeting. Sessions of
other users, root's, and the sshd that takes connections are never touched. It needs root to see other users' sockets.

Exit codes: 0 none is dead, or all that were are ended; 1 some could not be seen or ended; 2 usage; 3 dead ones were listed only.`;

/** `dialhome tunnels-cleanup` */
export function declareTunnelsCleanup(command: Command, execute: Execute): void {
  command
    .argument("[prefix]", "how the names of the tunnels' users begin", "tun-")
    .option("-k, --kill", "end the dead, with SIGTERM and after 5 s with SIGKILL")
    .option("-s, --sessions", "also logind's sessions of such users that it keeps as closing")
    .option(
      "--min-age <seconds>",
      "do not judge a login that is younger (default: 10)",
      secondsToMs,
    )
    .option("--json", "one JSON object per line")
    .addHelpText("after", EXAMPLES)
    .action((prefix: string, flags: TunnelsCleanupFlags) =>
      execute(async (io) => {
        const { runTunnelsCleanup } = await import("../actions/tunnels-cleanup.ts");
        return runTunnelsCleanup(prefix, flags, io);
      }),
    );
}
