import { createPrivateKey, type KeyObject, sign } from "node:crypto";
import { fingerprint } from "@dialhome/authorized-keys";
import ssh2 from "ssh2";
import { SshEndpointError } from "./errors.ts";
import { toOpenSshPrivateKey } from "./openssh-private-key.ts";

/** Text or bytes of a private key: OpenSSH's format, PEM (PKCS#1, SEC1, PKCS#8) or PuTTY's. */
export type PrivateKeyText = string | Uint8Array;

/** A private key that can sign. */
export interface PrivateKey {
  /** Name of the type, such as `ssh-ed25519`. */
  readonly type: string;
  /** The public half, as it stands on the wire. */
  readonly publicBlob: Uint8Array;
  /** `SHA256:…` of the public half. */
  readonly fingerprint: string;
  /** @internal */
  readonly parsed: ssh2.ParsedKey;
}

/** Gives a passphrase for an encrypted key; undefined when there is none. A function is asked again while its answers are wrong, three times at most. */
export type PassphraseSource = string | (() => string | undefined | Promise<string | undefined>);

/** ssh's NumberOfPasswordPrompts. */
const PASSPHRASE_TRIES = 3;

/**
 * Reads a private key.
 *
 * @param text - the key, not its path
 * @param name - how messages call it, such as its path
 * @throws SshEndpointError `ERR_SSH_ENDPOINT_KEY`, or `ERR_SSH_ENDPOINT_PASSPHRASE` for an encrypted one
 */
export async function parsePrivateKey(
  text: PrivateKeyText,
  name: string,
  passphrase?: PassphraseSource,
): Promise<PrivateKey> {
  const key = typeof text === "string" ? text : Buffer.from(text).toString("utf8");
  const first = parse(key, undefined);
  if (!(first instanceof Error)) return usable(first, name);
  if (!isAboutPassphrase(first)) {
    throw new SshEndpointError("ERR_SSH_ENDPOINT_KEY", `${name}: ${explain(first)}`, {
      cause: first,
    });
  }
  const tries = typeof passphrase === "function" ? PASSPHRASE_TRIES : 1;
  let failure: Error | undefined;
  for (let tried = 0; tried < tries; tried++) {
    const given = typeof passphrase === "function" ? await passphrase() : passphrase;
    if (given === undefined) {
      throw new SshEndpointError(
        "ERR_SSH_ENDPOINT_PASSPHRASE",
        `${name}: the key is encrypted and there is no passphrase`,
      );
    }
    const opened = parse(key, given);
    if (!(opened instanceof Error)) return usable(opened, name);
    failure = opened;
  }
  throw new SshEndpointError("ERR_SSH_ENDPOINT_PASSPHRASE", `${name}: the passphrase is wrong`, {
    cause: failure,
  });
}

/** Whether a key cannot be read without a passphrase. */
export function isEncryptedKey(text: string): boolean {
  const parsed = parse(text, undefined);
  return parsed instanceof Error && isAboutPassphrase(parsed);
}

function parse(key: string, passphrase: string | undefined): ssh2.ParsedKey | Error {
  if (/-----BEGIN (?:ENCRYPTED )?PRIVATE KEY-----/.test(key)) return parsePkcs8(key, passphrase);
  // ssh2 types one key; for OpenSSH's format it gives a list of one.
  const parsed: unknown = ssh2.utils.parseKey(key, passphrase);
  const only: unknown = Array.isArray(parsed) ? parsed[0] : parsed;
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what parseKey is documented to give
  return only as ssh2.ParsedKey | Error;
}

/** ssh2 does not read PKCS#8: node:crypto does, and the key goes on in OpenSSH's format. */
function parsePkcs8(key: string, passphrase: string | undefined): ssh2.ParsedKey | Error {
  if (passphrase === undefined && key.includes("BEGIN ENCRYPTED")) {
    return new Error("the key is encrypted");
  }
  let object: KeyObject;
  try {
    object = createPrivateKey({ key, ...(passphrase === undefined ? {} : { passphrase }) });
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
  const text = toOpenSshPrivateKey(object);
  return text === undefined
    ? new Error("this type of key is not supported")
    : parse(text, undefined);
}

function usable(parsed: ssh2.ParsedKey, name: string): PrivateKey {
  if (!parsed.isPrivateKey()) {
    throw new SshEndpointError("ERR_SSH_ENDPOINT_KEY", `${name}: this is a public key`);
  }
  const publicBlob = parsed.getPublicSSH();
  if (parsed.type === "ssh-ed25519") signWithOneObject(parsed);
  return { type: parsed.type, publicBlob, fingerprint: fingerprint(publicBlob), parsed };
}

/** ssh2 reads the key's text anew for each signature, which takes ten times as long as an ed25519 signature itself. */
function signWithOneObject(parsed: ssh2.ParsedKey): void {
  let object: KeyObject | undefined;
  parsed.sign = (data) => {
    object ??= ed25519Object(parsed);
    return sign(null, Buffer.from(data), object);
  };
}

/** As JWK (RFC 8037): OpenSSL takes most of a millisecond for the same key as PEM. */
function ed25519Object(parsed: ssh2.ParsedKey): KeyObject {
  const pem = parsed.getPrivatePEM().replaceAll(/-----[^-]*-----|\s/g, "");
  const d = ed25519Half(Buffer.from(pem, "base64"));
  const x = ed25519Half(parsed.getPublicSSH());
  return createPrivateKey({ key: { kty: "OKP", crv: "Ed25519", d, x }, format: "jwk" });
}

/** One half of a key: the last 32 bytes of what it is wrapped in (RFC 8410 §7 of the private, RFC 8709 §4 of the public half). */
function ed25519Half(wrapped: Buffer): string {
  return wrapped.subarray(-32).toString("base64url");
}

function isAboutPassphrase(error: Error): boolean {
  return /passphrase|encrypted|decrypt/i.test(error.message);
}

function explain(error: Error): string {
  return error.message === "Unsupported key format"
    ? "this is no private key, or of a type that is not supported"
    : error.message.split("\n", 1).join("");
}
