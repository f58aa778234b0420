import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

/** Whether `|1|salt|hash` is the hash of a name (OpenSSH's HashKnownHosts: HMAC-SHA1 keyed with the salt). */
export function isHashOfName(hashed: string, name: string): boolean {
  const [, version, salt, hash] = hashed.split("|");
  if (version !== "1" || salt === undefined || hash === undefined) return false;
  const want = Buffer.from(hash, "base64");
  const got = createHmac("sha1", Buffer.from(salt, "base64")).update(name).digest();
  return want.length === got.length && timingSafeEqual(want, got);
}

/** `|1|salt|hash` of a name, with a salt of its own. */
export function hashOfName(name: string): string {
  const salt = randomBytes(20);
  const hash = createHmac("sha1", salt).update(name).digest("base64");
  return `|1|${salt.toString("base64")}|${hash}`;
}

/** Checks a fingerprint that a person wrote: `SHA256:` and unpadded base64 of 32 bytes; padding is taken off. */
export function normalizeFingerprint(text: string): string | undefined {
  const match = /^SHA256:([A-Za-z0-9+/]{43})=?$/.exec(text.trim());
  return match?.[1] === undefined ? undefined : `SHA256:${match[1]}`;
}
