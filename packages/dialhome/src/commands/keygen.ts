import type { Command } from "commander";
import type { KeygenFlags } from "../actions/keygen.ts";
import type { Execute } from "../command-definition.ts";

const EXAMPLES = `
Example, on a device:
  $ dialhome keygen ~/.ssh/id_ed25519
then put the line that it prints into the file of the host's --authorized-keys.

The key is an Ed25519 key in OpenSSH's format, without a passphrase. A file that is there is never overwritten.`;

/** `dialhome keygen` */
export function declareKeygen(command: Command, execute: Execute): void {
  command
    .argument("<file>", "where the private key goes; the public one goes to FILE.pub")
    .option("-C, --comment <text>", "a word behind the public key (default: user@host)")
    .addHelpText("after", EXAMPLES)
    .action((file: string, flags: KeygenFlags) =>
      execute(async (io) => {
        const { runKeygen } = await import("../actions/keygen.ts");
        return runKeygen(file, flags, io);
      }),
    );
}
