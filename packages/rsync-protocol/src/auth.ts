import { createHash, timingSafeEqual } from "node:crypto";
import { createMD4 } from "hash-wasm";

/**
 * Digests of the daemon's challenge, strongest first. `md4-old` is what is meant when a peer below protocol
 * 30 names none: MD4 with four zero bytes in front. It never stands in a list.
 */
export type AuthDigest = "sha512" | "sha256" | "sha1" | "md5" | "md4" | "md4-old";

/** The digests that are named in a greeting, strongest first. */
export const AUTH_DIGESTS: readonly AuthDigest[] = ["sha512", "sha256", "sha1", "md5", "md4"];

/** Digest length in bytes; a challenge is made from as many random bytes. */
export const AUTH_DIGEST_BYTES: Readonly<Record<AuthDigest, number>> = {
  sha512: 64,
  sha256: 32,
  sha1: 20,
  md5: 16,
  md4: 16,
  "md4-old": 16,
};

/**
 * The digest both sides use: the first in the client's list that the server has as well.
 *
 * @param client - names in the client's greeting; undefined if it sent no list, which means an implied one
 * @param server - names that the server accepts
 * @returns undefined when they have none in common
 */
export function chooseAuthDigest(
  client: readonly string[] | undefined,
  server: readonly AuthDigest[],
  protocol: number,
): AuthDigest | undefined {
  if (client === undefined) {
    const implied = protocol >= 30 ? "md5" : "md4-old";
    const needed = implied === "md5" ? "md5" : "md4";
    return server.includes(needed) ? implied : undefined;
  }
  for (const name of client) {
    const digest = server.find((candidate) => candidate === name.toLowerCase());
    if (digest !== undefined && digest !== "md4-old") return digest;
  }
  return undefined;
}

/**
 * A challenge as it stands in `@RSYNCD: AUTHREQD`: unpadded base64.
 *
 * @param random - {@link AUTH_DIGEST_BYTES} unpredictable bytes
 */
export function makeChallenge(random: Uint8Array): string {
  return unpaddedBase64(random);
}

/** The client's answer to a challenge: base64(digest(password ++ challenge)), unpadded. */
export async function authResponse(
  password: string | Uint8Array,
  challenge: string,
  digest: AuthDigest,
): Promise<string> {
  // The challenge is used as the text received; it is not decoded.
  const message = Buffer.concat([Buffer.from(password), Buffer.from(challenge, "latin1")]);
  if (digest === "md4" || digest === "md4-old") {
    const md4 = await createMD4();
    md4.init();
    if (digest === "md4-old") md4.update(new Uint8Array(4));
    return unpaddedBase64(md4.update(message).digest("binary"));
  }
  return unpaddedBase64(createHash(digest).update(message).digest());
}

/** What a daemon checks an answer against. */
export interface AuthCheck {
  /** The user's secret; undefined for an unknown user, who costs the same work and is refused. */
  readonly secret: string | Uint8Array | undefined;
  readonly challenge: string;
  readonly digest: AuthDigest;
  /** The response part of the client's line. */
  readonly response: string;
}

/** Whether an answer is right. Takes as long for an unknown user or a wrong answer as for a right one. */
export async function verifyAuthResponse(check: AuthCheck): Promise<boolean> {
  const expected = await authResponse(
    check.secret ?? "no such user",
    check.challenge,
    check.digest,
  );
  // Digests of both have equal length whatever the peer sent, as timingSafeEqual requires.
  const same = timingSafeEqual(sha256(expected), sha256(check.response));
  return same && check.secret !== undefined;
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text, "latin1").digest();
}

function unpaddedBase64(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("base64").replace(/=+$/, "");
}
