import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import {
  AuthorizedKeysError,
  decodePublicKey,
  formatPublicKey,
  isKeyTypeName,
  parsePublicKey,
} from "@dialhome/authorized-keys";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";

const FOLDER = join(import.meta.dirname, "fixtures", "keys");
const texts = readdirSync(FOLDER)
  .filter((name) => name !== "pq.pub") // a type that is not known here
  .map((name) => [name, readFileSync(join(FOLDER, name), "utf8")] as const);

describe("public keys of the real ssh-keygen", () => {
  it.each(texts)("%s is read and written again", (_name, text) => {
    const key = parsePublicKey(text);
    expect(formatPublicKey(key)).toBe(text.trim().split(" ").slice(0, 2).join(" "));
    expect(isKeyTypeName(key.type)).toBe(true);
    expect(decodePublicKey(key.blob)).toEqual(key);
  });

  it.each(texts)("%s, cut anywhere or with a byte more, is refused", (_name, text) => {
    const { blob } = parsePublicKey(text);
    for (let length = 0; length < blob.length; length++) {
      expect(() => decodePublicKey(blob.subarray(0, length))).toThrow(AuthorizedKeysError);
    }
    expect(() => decodePublicKey(Buffer.concat([blob, Buffer.of(0)]))).toThrow(
      "after the last field",
    );
  });

  it.each(texts)("%s with any byte changed is a key or our error", (_name, text) => {
    const { blob } = parsePublicKey(text);
    fc.assert(
      fc.property(fc.nat(blob.length - 1), fc.integer({ min: 1, max: 255 }), (at, flip) => {
        const broken = Uint8Array.from(blob);
        broken[at] = (broken[at] ?? 0) ^ flip;
        let error: unknown;
        try {
          decodePublicKey(broken);
        } catch (caught) {
          error = caught;
        }
        expect(error === undefined || error instanceof AuthorizedKeysError).toBe(true);
      }),
    );
  });

  it("a length that is larger than the key allocates nothing", () => {
    const huge = Buffer.alloc(8);
    huge.writeUInt32BE(0xffff_ffff);
    expect(() => decodePublicKey(huge)).toThrow("4294967295 bytes needed, 4 left");
    expect(() => decodePublicKey(Buffer.alloc(65_537))).toThrow("limit 65536");
  });
});
