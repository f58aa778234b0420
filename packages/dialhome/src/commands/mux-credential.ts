import type { Command } from "commander";
import type { MuxCredentialFlags } from "../actions/mux-credential.ts";
import type { Execute } from "../command-definition.ts";
import { declareIdentity, declareSecret } from "./mux-options.ts";

const EXAMPLES = `
Example, where the secret is:
  $ dialhome mux credential --secret-file mux-secret --ident-string 00000000abcdef01 > credential-of-abcdef01
then on the device:
  $ dialhome mux ask --secret-file credential-of-abcdef01 gate.example

A credential is a secret of one device: with it the device needs neither the server's secret nor a --ident option, and whoever steals it can ask
for no other device's port. The device is the same one to the server as with the secret and the same --ident option.`;

/** `dialhome mux credential` */
export function declareMuxCredential(command: Command, execute: Execute): void {
  declareIdentity(declareSecret(command, "the server's secret"))
    .addHelpText("after", EXAMPLES)
    .action((flags: MuxCredentialFlags) =>
      execute(async (io) => {
        const { runMuxCredential } = await import("../actions/mux-credential.ts");
        return runMuxCredential(flags, io);
      }),
    );
}
