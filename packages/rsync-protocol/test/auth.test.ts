import * as fc from "fast-check";
import { expect, test } from "vitest";
import {
  AUTH_DIGEST_BYTES,
  AUTH_DIGESTS,
  type AuthDigest,
  authResponse,
  chooseAuthDigest,
  makeChallenge,
  verifyAuthResponse,
} from "../src/auth.ts";

test("the answer is the one recorded with rsync 3.5.0", async () => {
  const challenge =
    "cz5qe1C/iN9ZK8LfB8fTSEfA8vH44WTnPodKGHp/AS2gfBG2I7Ac/5m9IiKk4dbJTsDaP77p8Ac3p1nTa1w9SA";
  expect(await authResponse("sesame", challenge, "sha512")).toBe(
    "vOx+0m6Bj7y29TdewC75nUI4uaDyrjPUni98oga3fzDNvzyobcL5/Y89z4IpUXHNMSqCxImKlFUvwscQJsA/+Q",
  );
});

test("a right answer passes with every digest; a wrong one, a wrong user and garbage do not", async () => {
  const all: AuthDigest[] = [...AUTH_DIGESTS, "md4-old"];
  for (const digest of all) {
    const challenge = makeChallenge(Buffer.alloc(AUTH_DIGEST_BYTES[digest], 7));
    const response = await authResponse("secret", challenge, digest);
    const check = (secret: string | undefined, answer: string): Promise<boolean> =>
      verifyAuthResponse({ secret, challenge, digest, response: answer });
    expect(await check("secret", response)).toBe(true);
    expect(await check("Secret", response)).toBe(false);
    expect(await check(undefined, response)).toBe(false);
    expect(await check("secret", `${response}=`)).toBe(false);
    expect(await check("secret", "")).toBe(false);
    // What an unknown user is compared with must not open the door.
    expect(await check(undefined, await authResponse("no such user", challenge, digest))).toBe(
      false,
    );
  }
});

test("the digest is the first of the client's that the server has", () => {
  const server = AUTH_DIGESTS;
  expect(chooseAuthDigest(["md5", "sha512"], server, 32)).toBe("md5");
  expect(chooseAuthDigest(["blake9", "SHA256"], server, 32)).toBe("sha256");
  expect(chooseAuthDigest(["md5"], ["sha512"], 32)).toBeUndefined();
  expect(chooseAuthDigest(undefined, server, 31)).toBe("md5");
  expect(chooseAuthDigest(undefined, ["sha512"], 31)).toBeUndefined();
  expect(chooseAuthDigest(undefined, server, 29)).toBe("md4-old");
  expect(chooseAuthDigest(["md4-old"], [...server, "md4-old"], 29)).toBeUndefined();
});

test("challenges are one word without padding", () => {
  fc.assert(
    fc.property(fc.uint8Array({ minLength: 1, maxLength: 64 }), (random) => {
      expect(makeChallenge(random)).toMatch(/^[A-Za-z0-9+/]+$/);
    }),
  );
});
