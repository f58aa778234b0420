import { createHash, createPublicKey } from "node:crypto";
import { BlobReader } from "./blob-reader.ts";
import { LIMITS } from "./constants.ts";
import { AuthorizedKeysError } from "./errors.ts";

/** Curves of ECDSA keys, by the name that stands in the blob (RFC 5656 §10.1). */
export type EcdsaCurve = "nistp256" | "nistp384" | "nistp521";

/** Fields of a public key, by the name of its type (RFC 4253 §6.6, RFC 5656, RFC 8709, PROTOCOL.u2f, PROTOCOL.certkeys). */
export type PublicKeyFields =
  | { readonly kind: "ed25519"; readonly point: Uint8Array }
  | { readonly kind: "rsa"; readonly e: Uint8Array; readonly n: Uint8Array }
  | { readonly kind: "ecdsa"; readonly curve: EcdsaCurve; readonly point: Uint8Array }
  | { readonly kind: "sk-ed25519"; readonly point: Uint8Array; readonly application: string }
  | {
      readonly kind: "sk-ecdsa";
      readonly curve: EcdsaCurve;
      readonly point: Uint8Array;
      readonly application: string;
    }
  | { readonly kind: "dsa"; readonly p: Uint8Array }
  | { readonly kind: "certificate"; readonly certified: PublicKeyFields };

/** A public key that was read and found to be well formed. */
export interface PublicKey {
  /** The name inside of the blob, such as `ssh-ed25519`. */
  readonly type: string;
  /** The key as it stands on the wire; equal blobs are equal keys. */
  readonly blob: Uint8Array;
  /** Size, as `ssh-keygen -l` tells it. */
  readonly bits: number;
  readonly fields: PublicKeyFields;
}

type FieldReader = (r: BlobReader) => PublicKeyFields;

const CURVE_BITS: Readonly<Record<EcdsaCurve, number>> = {
  nistp256: 256,
  nistp384: 384,
  nistp521: 521,
};
const CURVE_JWK: Readonly<Record<EcdsaCurve, string>> = {
  nistp256: "P-256",
  nistp384: "P-384",
  nistp521: "P-521",
};

const ed25519: FieldReader = (r) => ({ kind: "ed25519", point: ed25519Point(r) });
const rsa: FieldReader = (r) => {
  const e = r.mpint("e");
  const n = r.mpint("n");
  const bits = bitLength(n);
  if (bits < LIMITS.rsaModulusBits || bits > LIMITS.rsaModulusBitsMost) {
    throw new AuthorizedKeysError(
      "ERR_AUTHORIZED_KEYS_BLOB",
      `RSA modulus of ${bits} bits, allowed are ${LIMITS.rsaModulusBits} to ${LIMITS.rsaModulusBitsMost}`,
    );
  }
  return { kind: "rsa", e, n };
};
const ecdsa =
  (curve: EcdsaCurve): FieldReader =>
  (r) => ({ kind: "ecdsa", curve, point: ecdsaPoint(r, curve) });
const skEd25519: FieldReader = (r) => ({
  kind: "sk-ed25519",
  point: ed25519Point(r),
  application: r.text("application"),
});
const skEcdsa: FieldReader = (r) => ({
  kind: "sk-ecdsa",
  curve: "nistp256",
  point: ecdsaPoint(r, "nistp256"),
  application: r.text("application"),
});
const dsa: FieldReader = (r) => {
  const p = r.mpint("p");
  r.mpint("q");
  r.mpint("g");
  r.mpint("y");
  return { kind: "dsa", p };
};

/** Every type of key that a line may hold, with the reader of its fields. */
const PLAIN_TYPES: Readonly<Record<string, FieldReader>> = {
  "ssh-ed25519": ed25519,
  "ssh-rsa": rsa,
  "ecdsa-sha2-nistp256": ecdsa("nistp256"),
  "ecdsa-sha2-nistp384": ecdsa("nistp384"),
  "ecdsa-sha2-nistp521": ecdsa("nistp521"),
  "sk-ssh-ed25519@openssh.com": skEd25519,
  "sk-ecdsa-sha2-nistp256@openssh.com": skEcdsa,
  "ssh-dss": dsa,
};

/** Names of signatures that sshd also reads as names of RSA keys. */
const RSA_ALIASES: ReadonlySet<string> = new Set(["rsa-sha2-256", "rsa-sha2-512"]);

const CERTIFICATE_SUFFIX = "-cert-v01@openssh.com";

const TYPES: ReadonlyMap<string, FieldReader> = new Map(
  Object.entries(PLAIN_TYPES).flatMap(([name, read]) => [
    [name, read],
    [
      `${name.replace(/@openssh\.com$/, "")}${CERTIFICATE_SUFFIX}`,
      (r: BlobReader) => certificate(r, read),
    ],
  ]),
);

/** Whether a word is the name of a type of key. Case matters. */
export function isKeyTypeName(word: string): boolean {
  return TYPES.has(word) || RSA_ALIASES.has(word);
}

/**
 * Decodes a public key's blob; all fields are checked, an ECDSA point is on its curve.
 * The result keeps a copy of the blob.
 *
 * @throws AuthorizedKeysError `ERR_AUTHORIZED_KEYS_BLOB` or `ERR_AUTHORIZED_KEYS_TYPE`
 */
export function decodePublicKey(blob: Uint8Array): PublicKey {
  if (blob.length > LIMITS.blobBytes) {
    throw new AuthorizedKeysError(
      "ERR_AUTHORIZED_KEYS_BLOB",
      `key of ${blob.length} bytes, limit ${LIMITS.blobBytes}`,
    );
  }
  const own = Uint8Array.from(blob);
  const r = new BlobReader(own);
  const type = r.text("type");
  const read = TYPES.get(type);
  if (read === undefined) {
    throw new AuthorizedKeysError(
      "ERR_AUTHORIZED_KEYS_TYPE",
      `unknown key type ${JSON.stringify(type.slice(0, 64))}`,
    );
  }
  const fields = read(r);
  r.end();
  return { type, blob: own, bits: bitsOf(fields), fields };
}

/** `type` and `base64` of a line as a key; the type must be the one inside of the blob. */
export function decodeTypeAndBase64(type: string, base64: string): PublicKey {
  if (!isKeyTypeName(type)) {
    throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_TYPE", "unknown key type");
  }
  const key = decodePublicKey(decodeBase64(base64));
  if (key.type !== (RSA_ALIASES.has(type) ? "ssh-rsa" : type)) {
    throw new AuthorizedKeysError(
      "ERR_AUTHORIZED_KEYS_BLOB",
      `a key of type ${key.type} is called ${type}`,
    );
  }
  return key;
}

/**
 * Reads a public key file or line without options: `type base64 [comment]`.
 *
 * @throws AuthorizedKeysError
 */
export function parsePublicKey(text: string): PublicKey {
  const [type, base64] = text.trim().split(/[ \t]+/, 2);
  if (type === undefined || base64 === undefined) {
    throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_LINE", "no public key: want `type base64`");
  }
  return decodeTypeAndBase64(type, base64);
}

/** A key as `type base64`, without comment. */
export function formatPublicKey(key: PublicKey): string {
  return `${key.type} ${Buffer.from(key.blob).toString("base64")}`;
}

/** `SHA256:` and the unpadded base64 of the blob's hash, as every OpenSSH tool shows it. */
export function fingerprint(blob: Uint8Array): string {
  return `SHA256:${createHash("sha256").update(blob).digest("base64").replace(/=+$/, "")}`;
}

/** Whether two blobs are the same key. */
export function isSameKey(a: Uint8Array, b: Uint8Array): boolean {
  return Buffer.compare(a, b) === 0;
}

/** Base64 as sshd takes it: exact padding, blanks within skipped (so a CR goes unnoticed), nothing else. */
function decodeBase64(text: string): Uint8Array {
  const dense = text.replace(/[ \t\n\v\f\r]/g, "");
  if (dense.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(dense)) {
    throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_BLOB", "no base64 with exact padding");
  }
  const bytes = Buffer.from(dense, "base64");
  if (bytes.toString("base64") !== dense) {
    throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_BLOB", "bits after the end of the base64");
  }
  return bytes;
}

function ed25519Point(r: BlobReader): Uint8Array {
  const point = r.string("public key");
  if (point.length !== 32) {
    throw new AuthorizedKeysError(
      "ERR_AUTHORIZED_KEYS_BLOB",
      `Ed25519 key of ${point.length} bytes instead of 32`,
    );
  }
  return point;
}

function ecdsaPoint(r: BlobReader, curve: EcdsaCurve): Uint8Array {
  const named = r.text("curve");
  if (named !== curve) {
    throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_BLOB", `curve is not ${curve}`);
  }
  const point = r.string("point");
  const size = Math.ceil(CURVE_BITS[curve] / 8);
  if (point[0] !== 4 || point.length !== 1 + 2 * size) {
    throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_BLOB", "no uncompressed point");
  }
  try {
    const x = Buffer.from(point.subarray(1, 1 + size)).toString("base64url");
    const y = Buffer.from(point.subarray(1 + size)).toString("base64url");
    createPublicKey({ key: { kty: "EC", crv: CURVE_JWK[curve], x, y }, format: "jwk" });
  } catch (cause) {
    throw new AuthorizedKeysError("ERR_AUTHORIZED_KEYS_BLOB", `point is not on ${curve}`, {
      cause,
    });
  }
  return point;
}

/** PROTOCOL.certkeys; the signature is not verified, since nobody is admitted by it here. */
function certificate(r: BlobReader, readKey: FieldReader): PublicKeyFields {
  r.string("nonce");
  const certified = readKey(r);
  r.u64("serial");
  r.u32("kind");
  r.string("key id");
  r.string("principals");
  r.u64("valid after");
  r.u64("valid before");
  r.string("critical options");
  r.string("extensions");
  r.string("reserved");
  r.string("CA key");
  r.string("signature");
  return { kind: "certificate", certified };
}

function bitsOf(fields: PublicKeyFields): number {
  switch (fields.kind) {
    case "ed25519":
    case "sk-ed25519":
      return 256;
    case "ecdsa":
    case "sk-ecdsa":
      return CURVE_BITS[fields.curve];
    case "rsa":
      return bitLength(fields.n);
    case "dsa":
      return bitLength(fields.p);
    case "certificate":
      return bitsOf(fields.certified);
    default:
      return fields satisfies never;
  }
}

function bitLength(number: Uint8Array): number {
  const first = number[0];
  return first === undefined ? 0 : number.length * 8 - (Math.clz32(first) - 24);
}
