import { readFile } from "node:fs/promises";
import { type AuthorizedKeys, parseAuthorizedKeys } from "@dialhome/authorized-keys";
import { SshReverseError } from "./errors.ts";

/** An authorized_keys file by its path (read anew at each login, as sshd does), or its text. */
export type AuthorizedKeysSource = { readonly path: string } | { readonly text: string };

/** Gives the lines in force now. */
export type AuthorizedKeysReader = () => Promise<AuthorizedKeys>;

/** The largest file that is read, bytes: a hundred thousand lines or so. */
const LIMIT_BYTES = 32 * 1024 * 1024;

/** Opens a source; a text is parsed once. */
export function openAuthorizedKeys(source: AuthorizedKeysSource): AuthorizedKeysReader {
  if ("text" in source) {
    const parsed = parseAuthorizedKeys(source.text);
    return async () => parsed;
  }
  const { path } = source;
  let last: { readonly text: string; readonly parsed: AuthorizedKeys } | undefined;
  return async () => {
    let text: string;
    try {
      text = await readFile(path, "utf8");
    } catch (cause) {
      const why = cause instanceof Error ? cause.message : String(cause);
      throw new SshReverseError("ERR_SSH_REVERSE_AUTHORIZED_KEYS", why, { cause });
    }
    if (text.length > LIMIT_BYTES) {
      throw new SshReverseError(
        "ERR_SSH_REVERSE_AUTHORIZED_KEYS",
        `${path}: ${text.length} bytes, limit ${LIMIT_BYTES}`,
      );
    }
    if (last?.text !== text) last = { text, parsed: parseAuthorizedKeys(text) };
    return last.parsed;
  };
}
