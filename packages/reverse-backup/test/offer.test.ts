import { assert, boolean, integer, json, property, record, string, uint8Array } from "fast-check";
import { expect, test } from "vitest";
import { BackupError } from "../src/errors.ts";
import { decodeOffer, encodeOffer, type Offer } from "../src/offer.ts";

/** What the original script sends (its key replaced by zeros): `su` is null where it runs as a user. */
const ORIGINAL = JSON.stringify({
  name: "host1",
  port: 22_654,
  key: `${"A".repeat(86)}==`,
  rsync: {
    user: "sshrsync",
    key: "-x_4Gf0a",
    mod: "sshrsync",
    su: null,
    opts: { one_file_system: false, fake_super: true },
  },
});

test("the original's offer is understood", () => {
  expect(decodeOffer(ORIGINAL)).toEqual({
    name: "host1",
    port: 22_654,
    key: Buffer.alloc(64),
    rsync: {
      user: "sshrsync",
      password: "-x_4Gf0a",
      module: "sshrsync",
      privileged: false,
      oneFileSystem: false,
      fakeSuper: true,
      attributes: false,
    },
  });
});

test("what is encoded is decoded again", () => {
  const word = string({ unit: "binary-ascii", minLength: 1, maxLength: 20 }).map((text) =>
    text.replace(/[^\w.@+=-]/g, "_"),
  );
  const offers = record({
    name: string({ minLength: 1, maxLength: 100 }),
    port: integer({ min: 1, max: 65_535 }),
    key: uint8Array({ minLength: 64, maxLength: 64 }).map((bytes) => Buffer.from(bytes)),
    rsync: record({
      user: word,
      password: word,
      module: word,
      privileged: boolean(),
      oneFileSystem: boolean(),
      fakeSuper: boolean(),
      attributes: boolean(),
    }),
  });
  assert(
    property(offers, (offer: Offer) => {
      const line = encodeOffer(offer);
      expect(line).not.toContain("\n");
      expect(decodeOffer(line)).toEqual(offer);
    }),
  );
});

test.each([
  ["no JSON", "{"],
  ["no object", "3"],
  ["a port out of range", ORIGINAL.replace("22654", "70000")],
  ["a short key", ORIGINAL.replace("A".repeat(86), "A".repeat(80))],
  ["a user with a line end", ORIGINAL.replace('"user":"sshrsync"', '"user":"a\\nb"')],
  ["an empty name", ORIGINAL.replace("host1", "")],
])("%s is refused without repeating it", (_what, line) => {
  expect(() => decodeOffer(line)).toThrow(BackupError);
  expect(() => decodeOffer(line)).toThrow(/^the device's offer (is|has)/);
});

test("any JSON is an offer or refused", () => {
  assert(
    property(json(), (line) => {
      expect(() => decodeOffer(line)).toThrow(BackupError);
    }),
  );
});
