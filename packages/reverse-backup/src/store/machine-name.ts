import { KEY_ID_HEX_DIGITS, MACHINE_NAME_BYTES_LIMIT } from "./constants.ts";
import { printable, StoreError } from "./errors.ts";

/** Control, format, unpaired, private and line-separating characters: what could deceive in a terminal or a log. */
const DECEPTIVE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Zl}\p{Zp}]/u;

/**
 * Throws `ERR_STORE_NAME` unless `name` can stand for a machine: one path component of 1 to 255 bytes, without `/`,
 * without control characters, and not beginning with a dot.
 */
export function validateName(name: string): void {
  const why = refusal(name);
  if (why !== undefined) {
    throw new StoreError("ERR_STORE_NAME", `machine name "${printable(name, 80)}" ${why}`);
  }
}

function refusal(name: string): string | undefined {
  if (name === "") return "is empty";
  if (name.includes("/")) return "holds /";
  if (name.startsWith(".")) return "begins with a dot";
  if (DECEPTIVE.test(name)) return "holds a control character";
  const bytes = Buffer.byteLength(name);
  if (bytes > MACHINE_NAME_BYTES_LIMIT) {
    return `has ${bytes} bytes, limit ${MACHINE_NAME_BYTES_LIMIT}`;
  }
  return undefined;
}

/**
 * The directory name of a public key: the first 128 bits of its SHA-256 fingerprint in hex.
 * Takes the 32 bytes, or OpenSSH's text `SHA256:` and base64. Throws `ERR_STORE_NAME` for anything else.
 */
export function keyIdOf(fingerprint: string | Uint8Array): string {
  const digest =
    typeof fingerprint === "string"
      ? Buffer.from(fingerprint.replace(/^SHA256:/, ""), "base64")
      : fingerprint;
  if (digest.length !== 32) {
    throw new StoreError("ERR_STORE_NAME", "a key's fingerprint is not a SHA-256 digest");
  }
  return Buffer.from(digest).toString("hex").slice(0, KEY_ID_HEX_DIGITS);
}

/** Whether a text is what {@link keyIdOf} gives. */
export function isKeyId(text: string): boolean {
  return /^[0-9a-f]{32}$/.test(text);
}

/** Throws `ERR_STORE_NAME` unless `keyId` is what {@link keyIdOf} gives. */
export function assertKeyId(keyId: string): void {
  if (!isKeyId(keyId)) {
    throw new StoreError("ERR_STORE_NAME", `"${printable(keyId, 80)}" is no key id`);
  }
}
