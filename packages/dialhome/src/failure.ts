import { constants } from "node:os";
import { DialhomeError } from "./errors.ts";
import { EXIT_CODE, SIGNAL_EXIT_BASE } from "./exit-codes.ts";
import { type CommandIo, Interrupted } from "./io.ts";
import { printable } from "./terminal/printable.ts";

/** Codes of `ssh-endpoint` that are about local options and files, not about the connection. */
const LOCAL_SSH_CODES: ReadonlySet<string> = new Set([
  "ERR_SSH_ENDPOINT_OPTION",
  "ERR_SSH_ENDPOINT_CONFIG",
  "ERR_SSH_ENDPOINT_KEY",
  "ERR_SSH_ENDPOINT_PASSPHRASE",
  "ERR_SSH_ENDPOINT_KNOWN_HOSTS",
]);

/** What to try next, by the code of the error; said behind the message. */
const NEXT_STEPS: Readonly<Record<string, string>> = {
  ERR_SSH_ENDPOINT_HOST_KEY_UNKNOWN:
    "; or say --host-key-fingerprint SHA256:… (the host prints it when it starts), or --accept-new to trust it now",
  ERR_SSH_ENDPOINT_AUTHENTICATION:
    "; is this machine's public key in the host's authorized_keys file?",
  ERR_SSH_ENDPOINT_PASSPHRASE: "; put the key into ssh-agent and use --agent",
  ERR_SSH_ENDPOINT_CONFIG: "; --ssh-config names another configuration, or none",
  ERR_STORE_MISSING: "; --create makes it",
};

/** The exit code of a command that failed. Errors are told by their codes: to load their classes would take time. */
export function exitCodeOf(error: unknown): number {
  if (error instanceof DialhomeError) return error.exitCode;
  if (error instanceof Interrupted) {
    return SIGNAL_EXIT_BASE + constants.signals[error.signalName];
  }
  const code = codeOf(error);
  if (code.startsWith("ERR_SSH_ENDPOINT_") && !LOCAL_SSH_CODES.has(code)) {
    return EXIT_CODE.connection;
  }
  switch (code) {
    case "ERR_BACKUP_CONNECTION_LOST":
      return EXIT_CODE.connection;
    case "ERR_BACKUP_OPTION":
    case "ERR_MUX_OPTION":
    case "ERR_LED_BLINK_NUMBER":
    case "ERR_LED_BLINK_CONFIGURATION":
      return EXIT_CODE.usage;
    default:
      return EXIT_CODE.failed;
  }
}

/** The one line for a person. */
export function describeFailure(error: unknown): string {
  if (!(error instanceof Error)) return printable(String(error));
  const code = codeOf(error);
  if (code === "" && !(error instanceof Interrupted)) {
    return `a bug: ${printable(error.message)}; please report it with what --debug shows`;
  }
  return `${printable(error.message.split("\n", 1)[0] ?? "")}${NEXT_STEPS[code] ?? ""}`;
}

/** Says what failed, in one line, and with `debug` where. */
export function reportFailure(io: CommandIo, error: unknown, debug: boolean): void {
  io.stderr.write(`dialhome: ${describeFailure(error)}\n`);
  if (!debug) return;
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    io.stderr.write(`${at.stack ?? at.message}\n`);
  }
}

/** The stable word of an error, or "". */
export function codeOf(error: unknown): string {
  const code: unknown = error instanceof Error ? Reflect.get(error, "code") : undefined;
  return typeof code === "string" ? code : "";
}
