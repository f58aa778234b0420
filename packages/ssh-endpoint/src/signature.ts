import { createPublicKey, type JsonWebKeyInput, type KeyObject, verify } from "node:crypto";
import type { PublicKey } from "@dialhome/authorized-keys";

/** Hash of an RSA signature; SHA-1 is not among them. */
export type RsaHash = "sha256" | "sha512";

/**
 * Whether a signature over `data` was made with a key (hazard H12: ssh2's server verifies none).
 *
 * @param signature - as ssh2 hands it over: bare for Ed25519 and RSA, DER for ECDSA
 * @param rsaHash - from the signature's algorithm; RSA keys without one (`ssh-rsa`, SHA-1) are refused
 */
export function isSignedBy(
  key: PublicKey,
  data: Uint8Array,
  signature: Uint8Array,
  rsaHash: RsaHash | undefined,
): boolean {
  const { fields } = key;
  try {
    switch (fields.kind) {
      case "ed25519":
        return verify(
          null,
          data,
          jwk({ kty: "OKP", crv: "Ed25519", x: b64(fields.point) }),
          signature,
        );
      case "rsa": {
        if (rsaHash === undefined) return false;
        const object = jwk({ kty: "RSA", n: b64(fields.n), e: b64(fields.e) });
        return verify(rsaHash, data, object, padded(signature, fields.n.length));
      }
      case "ecdsa": {
        const half = (fields.point.length - 1) / 2;
        const [crv, hash] = CURVES[fields.curve];
        const x = b64(fields.point.subarray(1, 1 + half));
        const y = b64(fields.point.subarray(1 + half));
        return verify(hash, data, jwk({ kty: "EC", crv, x, y }), signature);
      }
      case "sk-ed25519":
      case "sk-ecdsa":
      case "dsa":
      case "certificate":
        return false; // not offered
    }
    return false;
  } catch {
    return false; // a signature or key that the library cannot even read proves nothing
  }
}

const CURVES = {
  nistp256: ["P-256", "sha256"],
  nistp384: ["P-384", "sha384"],
  nistp521: ["P-521", "sha512"],
} as const;

function jwk(key: JsonWebKeyInput["key"]): KeyObject {
  return createPublicKey({ key, format: "jwk" });
}

function b64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64url");
}

/** Some clients leave out zero bytes in front of an RSA signature (RFC 8332 §3 allows for it). */
function padded(signature: Uint8Array, length: number): Uint8Array {
  if (signature.length >= length) return signature;
  const whole = new Uint8Array(length);
  whole.set(signature, length - signature.length);
  return whole;
}
