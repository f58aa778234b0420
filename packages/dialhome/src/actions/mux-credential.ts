import {
  deriveCredential,
  formatCredential,
  isCredentialText,
  readIdentity,
} from "@dialhome/mux-protocol";
import { usageError } from "../errors.ts";
import type { CommandIo } from "../io.ts";
import { type IdentityFlags, identitySourceOf } from "../mux/ask-settings.ts";
import { readSecret, type SecretFlags } from "../mux/secrets.ts";

/** The options of `dialhome mux credential`. */
export type MuxCredentialFlags = SecretFlags & IdentityFlags;

/** `dialhome mux credential`: what one device is given in place of the secret. */
export async function runMuxCredential(flags: MuxCredentialFlags, io: CommandIo): Promise<number> {
  const secret = readSecret(flags, io);
  if (isCredentialText(secret)) throw usageError("that is a credential already; it makes no other");
  const { bytes } = await readIdentity(identitySourceOf(flags, io), { signal: io.signal });
  io.stdout.write(`${formatCredential(deriveCredential(secret, bytes))}\n`);
  return 0;
}
