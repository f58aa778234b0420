import type { Command } from "commander";
import { gather, portNumber, secondsToMs, wholeNumber } from "../option-values.ts";

/** Where secrets come from. */
export function declareSecret(command: Command, what: string): Command {
  return command
    .option("-s, --auth-secret <secret>", `${what}; others on this machine can see it`, gather)
    .option("--secret-file <file>", "read it from a file that only its owner can read");
}

/**
 * Who a device says it is.
 *
 * @param identString - the names of the option for a text
 */
export function declareIdentity(
  command: Command,
  identString = "-i, --ident-string <text>",
): Command {
  return command
    .optionsGroup("Who this device is (default: a keyed hash of /etc/machine-id):")
    .option(identString, "any text")
    .option("--ident-rpi", "the serial number of a Raspberry Pi")
    .option("--ident-file <file>", "the content of a file")
    .option("--ident-cmd <command>", "what a line of the shell prints");
}

/** How a device asks. */
export function declareAsking(command: Command): Command {
  return command
    .optionsGroup("How to ask:")
    .option("-m, --mux-port <port>", "UDP port of the server (default: 8739)", portNumber)
    .option("--mux-version <1|2>", "of the protocol; 1 is the original scripts' (default: 2)")
    .option("-n, --attempts <count>", "packets, spread over the time (default: 6)", wholeNumber)
    .option("-t, --timeout <seconds>", "time for all of it (default: 10)", secondsToMs)
    .option("--forwardings <count>", "ports that are wanted (default: 1)", wholeNumber);
}
