import { VERSION_2 } from "../constants.ts";
import { MuxError } from "../mux-error.ts";
import type { Credential } from "./keys.ts";

/** What no master secret may begin with. */
const PREFIX = "dhm2.";

const { hint: HINT, id: ID, key: KEY } = VERSION_2;
const BYTES = HINT + ID + ID + KEY;

/** Whether a text that a person gave as a secret is a device's own credential. */
export function isCredentialText(text: string): boolean {
  return text.startsWith(PREFIX);
}

/** `dhm2.` and base64url of hint, stable id, wire id and key: 96 characters. A secret of the device. */
export function formatCredential({ hint, stableId, wireId, key }: Credential): string {
  const head = Buffer.alloc(HINT);
  head.writeUInt32BE(hint);
  return PREFIX + Buffer.concat([head, stableId, wireId, key]).toString("base64url");
}

/** @throws MuxError `ERR_MUX_OPTION` */
export function parseCredential(text: string): Credential {
  const bytes = Buffer.from(text.slice(PREFIX.length), "base64url");
  // Node passes over what is no base64url: what it read must be what was written.
  if (
    !isCredentialText(text) ||
    bytes.length !== BYTES ||
    text !== PREFIX + bytes.toString("base64url")
  ) {
    throw new MuxError(
      "ERR_MUX_OPTION",
      `a device's credential is ${PREFIX} and ${Math.ceil((BYTES * 4) / 3)} characters of base64url`,
    );
  }
  return {
    hint: bytes.readUInt32BE(0),
    stableId: Uint8Array.from(bytes.subarray(HINT, HINT + ID)),
    wireId: Uint8Array.from(bytes.subarray(HINT + ID, HINT + ID + ID)),
    key: Uint8Array.from(bytes.subarray(HINT + ID + ID)),
  };
}
