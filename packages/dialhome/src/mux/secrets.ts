import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import { DialhomeError, reasonOf, usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";

/** Where secrets come from. */
export interface SecretFlags {
  readonly authSecret?: readonly string[];
  readonly secretFile?: string;
}

/** Where a secret comes from that stands neither in an argument nor in a file. */
const VARIABLE = "DIALHOME_MUX_SECRET";

/**
 * The secrets of `-s`, else those of the file, one a line, else that of the environment.
 *
 * @throws DialhomeError when there is none, both options are given, or others can read the file
 */
export function readSecrets({ authSecret, secretFile }: SecretFlags, io: CommandIo): string[] {
  if (authSecret !== undefined && secretFile !== undefined) {
    throw usageError("only one of --auth-secret and --secret-file");
  }
  const secrets =
    authSecret ??
    (secretFile === undefined
      ? [io.env[VARIABLE] ?? ""]
      : readSecretLines(resolve(io.cwd, secretFile)));
  const given = secrets.filter((secret) => secret !== "");
  if (given.length > 0) return given;
  throw usageError(
    secretFile === undefined
      ? `the secret is missing: --secret-file FILE, the variable ${VARIABLE}, or -s SECRET, which others can see`
      : `there is no secret in "${secretFile}"`,
  );
}

/** The one secret of a device. */
export function readSecret(flags: SecretFlags, io: CommandIo): string {
  const [secret = "", another] = readSecrets(flags, io);
  if (another !== undefined) throw usageError("a device has one secret");
  return secret;
}

function readSecretLines(path: string): string[] {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    const message = `cannot open the file of the secret "${path}": ${reasonOf(cause)}`;
    throw new DialhomeError("ERR_DIALHOME_FILE", message, { cause });
  }
  try {
    if ((fstatSync(fd).mode & 0o077) !== 0) {
      const message = `others can get at the secret in "${path}": chmod 600 it`;
      throw new DialhomeError("ERR_DIALHOME_FILE", message);
    }
    return readFileSync(fd, "utf8").split(/\r?\n/);
  } finally {
    closeSync(fd);
  }
}
