import { createPublicKey, generateKeyPairSync } from "node:crypto";
import { decodePublicKey, formatPublicKey, type PublicKey } from "@dialhome/authorized-keys";
import { toOpenSshPrivateKey } from "./openssh-private-key.ts";

/** A new key pair. */
export interface GeneratedKey {
  /** In OpenSSH's format, unencrypted: for a file with mode 0600. */
  readonly privateKey: string;
  readonly publicKey: PublicKey;
  /** `ssh-ed25519 base64`, without comment and line end. */
  readonly publicLine: string;
}

/** Makes an Ed25519 key, for a server's host key or for a client. */
export function generateKey(): GeneratedKey {
  const pair = generateKeyPairSync("ed25519");
  const privateKey = toOpenSshPrivateKey(pair.privateKey);
  const { x } = createPublicKey(pair.privateKey).export({ format: "jwk" });
  if (privateKey === undefined || x === undefined) throw new Error("no Ed25519 key was made");
  const name = Buffer.from("ssh-ed25519");
  const blob = Buffer.concat([
    Buffer.from([0, 0, 0, name.length]),
    name,
    Buffer.from([0, 0, 0, 32]),
    Buffer.from(x, "base64url"),
  ]);
  const publicKey = decodePublicKey(blob);
  return { privateKey, publicKey, publicLine: formatPublicKey(publicKey) };
}
