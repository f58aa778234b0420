import type { KeyObject } from "node:crypto";

/**
 * A private key of node:crypto in a form that ssh2 reads: OpenSSH's own for Ed25519 (PROTOCOL.key), PKCS#1 or SEC1 for RSA
 * and ECDSA. Undefined for other types.
 */
export function toOpenSshPrivateKey(key: KeyObject): string | undefined {
  const type = key.asymmetricKeyType;
  if (type === "rsa") return key.export({ type: "pkcs1", format: "pem" }).toString();
  if (type === "ec") return key.export({ type: "sec1", format: "pem" }).toString();
  return type === "ed25519" ? ed25519(key) : undefined;
}

function ed25519(key: KeyObject): string | undefined {
  const { d, x } = key.export({ format: "jwk" });
  if (d === undefined || x === undefined) return undefined;
  const secret = Buffer.from(d, "base64url");
  const point = Buffer.from(x, "base64url");
  const name = Buffer.from("ssh-ed25519");
  const check = Buffer.alloc(4); // two equal numbers prove a passphrase; there is none
  const inner = Buffer.concat([
    check,
    check,
    string(name),
    string(point),
    string(Buffer.concat([secret, point])),
    string(Buffer.alloc(0)),
  ]);
  const padding = Buffer.from([1, 2, 3, 4, 5, 6, 7].slice(0, (8 - (inner.length % 8)) % 8));
  const count = Buffer.from([0, 0, 0, 1]);
  const body = Buffer.concat([
    Buffer.from("openssh-key-v1\0"),
    string(Buffer.from("none")),
    string(Buffer.from("none")),
    string(Buffer.alloc(0)),
    count,
    string(Buffer.concat([string(name), string(point)])),
    string(Buffer.concat([inner, padding])),
  ]);
  const lines = body.toString("base64").replace(/.{1,70}/g, "$&\n");
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}-----END OPENSSH PRIVATE KEY-----\n`;
}

function string(bytes: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

/** The public half in a private key of OpenSSH's own format, which stands there in the clear also where the key is encrypted (PROTOCOL.key). */
export function publicHalfOf(text: string): Uint8Array | undefined {
  const [, base64] = /-----BEGIN OPENSSH PRIVATE KEY-----([^-]*)-----END OPENSSH/.exec(text) ?? [];
  const bytes = Buffer.from(base64 ?? "", "base64");
  const magic = "openssh-key-v1\0";
  if (bytes.toString("latin1", 0, magic.length) !== magic) return undefined;
  let at = magic.length;
  const next = (): Buffer | undefined => {
    if (at + 4 > bytes.length) return undefined;
    const length = bytes.readUInt32BE(at);
    const end = at + 4 + length;
    if (end > bytes.length) return undefined;
    const field = bytes.subarray(at + 4, end);
    at = end;
    return field;
  };
  // Cipher, key derivation and its options; then the number of keys.
  if (next() === undefined || next() === undefined || next() === undefined) return undefined;
  at += 4;
  return next();
}
