import { readFile } from "node:fs/promises";
import {
  AuthorizedKeysError,
  isSameKey,
  type PublicKey,
  parsePublicKey,
} from "@dialhome/authorized-keys";
import { SshEndpointError } from "./errors.ts";

/** Keys that no host may have: a file by its path, or its text, with a public key a line (ssh's RevokedHostKeys). */
export type RevokedKeysSource = { readonly path: string } | { readonly text: string };

/** Keys that no host may have. */
export interface RevokedKeys {
  /** Where a key is revoked, `file:line`; undefined for one that is not. */
  find(blob: Uint8Array): string | undefined;
}

/** How a binary list of `ssh-keygen -k` begins (OpenSSH PROTOCOL.krl). */
const KRL_MAGIC = "SSHKRL\n\0";

/**
 * Reads a list. As in ssh, one that is missing or that has a line that is no key lets no host pass.
 *
 * @throws SshEndpointError `ERR_SSH_ENDPOINT_KNOWN_HOSTS`, also for a binary list, which is not read here
 */
export async function readRevokedKeys(source: RevokedKeysSource): Promise<RevokedKeys> {
  const file = "path" in source ? source.path : "the revoked host keys";
  const text = "text" in source ? source.text : await readList(source.path);
  if (text.startsWith(KRL_MAGIC)) {
    throw unusable(
      file,
      `a binary list (KRL) is not read here; put public keys into it, one a line`,
    );
  }
  const keys = text.split("\n").flatMap((line, at) => keysOf(line, `${file}:${at + 1}`));
  return { find: (blob) => keys.find(({ key }) => isSameKey(key.blob, blob))?.source };
}

function keysOf(line: string, source: string): { key: PublicKey; source: string }[] {
  const text = line.replace(/^[ \t]+/, "").replace(/\r$/, "");
  if (text === "" || text.startsWith("#")) return [];
  try {
    return [{ key: parsePublicKey(text), source }];
  } catch (cause) {
    if (!(cause instanceof AuthorizedKeysError)) throw cause;
    throw unusable(source, `this is no public key: ${cause.message}`, cause);
  }
}

async function readList(path: string): Promise<string> {
  try {
    return await readFile(path, "latin1");
  } catch (cause) {
    throw unusable(path, cause instanceof Error ? cause.message : String(cause), cause);
  }
}

function unusable(source: string, why: string, cause?: unknown): SshEndpointError {
  const message = `cannot read the revoked host keys: ${source}: ${why}`;
  return new SshEndpointError("ERR_SSH_ENDPOINT_KNOWN_HOSTS", message, { source, cause });
}
