import { closeSync, fstatSync, openSync, readFileSync } from "node:fs";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { RsyncError } from "@dialhome/rsync-protocol";
import { reasonOf } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { askHidden } from "../terminal/ask-hidden.ts";
import { syntaxError } from "./errors.ts";

/** Bytes of a password file or of standard input that are read at most. */
const PASSWORD_BYTES_LIMIT = 4096;

/**
 * The password as rsync takes it: from `--password-file`, else from RSYNC_PASSWORD, else the user is asked, if there is a terminal.
 */
export async function readPassword(
  user: string,
  passwordFile: string | undefined,
  io: CommandIo,
): Promise<string> {
  if (passwordFile === "-") return firstLine(await readSome(io.stdin));
  if (passwordFile !== undefined) return firstLine(readSecretFile(resolve(io.cwd, passwordFile)));
  const { RSYNC_PASSWORD } = io.env;
  if (RSYNC_PASSWORD !== undefined) return RSYNC_PASSWORD;
  if (io.stdin.isTTY === true) return askHidden(`Password of ${user}: `, io);
  throw new RsyncError(
    "ERR_RSYNC_REFUSED",
    `the daemon asks for the password of "${user}"; set RSYNC_PASSWORD, or use --password-file`,
  );
}

/**
 * Reads a file with secrets. As for rsync, others must not be able to read or write it, and root's must be root's own.
 *
 * @throws RsyncError with exit code 1
 */
export function readSecretFile(path: string): string {
  let fd: number;
  try {
    fd = openSync(path, "r");
  } catch (cause) {
    throw syntaxError(`cannot open "${path}": ${reasonOf(cause)}`);
  }
  try {
    const { mode, uid } = fstatSync(fd);
    if ((mode & 0o006) !== 0)
      throw syntaxError(`"${path}" must not be accessible to others: chmod o-rw`);
    if (process.geteuid?.() === 0 && uid !== 0) {
      throw syntaxError(`"${path}" must belong to root when it is used by root`);
    }
    return readFileSync(fd, "utf8");
  } finally {
    closeSync(fd);
  }
}

function firstLine(text: string): string {
  return text.split(/\r?\n/, 1)[0] ?? "";
}

async function readSome(input: Readable): Promise<string> {
  const chunks: Buffer[] = [];
  let length = 0;
  for await (const chunk of input) {
    const bytes = Buffer.from(String(chunk), "utf8");
    chunks.push(bytes);
    length += bytes.length;
    if (length > PASSWORD_BYTES_LIMIT || bytes.includes(0x0a)) break;
  }
  return Buffer.concat(chunks).toString("utf8");
}
